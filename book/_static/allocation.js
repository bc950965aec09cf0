// The arithmetic of the allocation calculator. Constants come from calculator.json, which the library writes.
// A law is {E, logA, logB, alpha, beta}; a budget is in FLOPs.

const SIDE = 12; // in ln N, around the optimum of fresh data
const GOLDEN = (Math.sqrt(5) - 1) / 2;

// Where a falling function is 0.
function bisect(falling, low, high) {
  for (let i = 0; i < 200 && high - low > 1e-15 * (1 + Math.abs(high)); i++) {
    const middle = (low + high) / 2;
    if (falling(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function logBest(law, logFlops) {
  const sum = law.alpha + law.beta;
  const logG = (Math.log(law.alpha) + law.logA - Math.log(law.beta) - law.logB) / sum;
  const logSixth = logFlops - Math.log(6);
  return { logG, logN: logG + (law.beta / sum) * logSixth, logD: (law.alpha / sum) * logSixth - logG };
}

// The part of the loss above E.
function reducible(law, logN, logD) {
  return Math.exp(law.logA - law.alpha * logN) + Math.exp(law.logB - law.beta * logD);
}

// FLOPs of a convention over 6ND, between the models that were counted; their ends hold beyond.
export function ratioAt(ratios, convention, logN) {
  const x = ratios.log_n, y = ratios[convention];
  if (logN <= x[0]) return y[0];
  for (let i = 1; i < x.length; i++) {
    if (logN <= x[i]) return y[i - 1] + ((y[i] - y[i - 1]) * (logN - x[i - 1])) / (x[i] - x[i - 1]);
  }
  return y[y.length - 1];
}

// ln of the budget in 6ND whose optimum costs so much under a convention.
function inSixND(law, ratios, convention, flops) {
  const target = Math.log(flops);
  if (convention === "six_nd") return target;
  const off = (log) => target - log - Math.log(ratioAt(ratios, convention, logBest(law, log).logN));
  return bisect(off, target - 2, target + 2);
}

function served(law, best, tokens) {
  const share = tokens / Math.exp(best.logD);
  const wanted = ((law.beta / (law.alpha + law.beta)) * share) / 3; // y (y^beta - 1)
  const logY = tokens === 0
    ? 0
    : bisect((y) => wanted - Math.exp(y) * Math.expm1(law.beta * y), 0, Math.log1p(wanted / law.beta));
  const logX = -Math.log1p((-law.alpha / law.beta) * Math.expm1(-law.beta * logY)) / law.alpha;
  return {
    logN: best.logN + logX,
    logD: best.logD + logY,
    overhead: Math.expm1(logX + logY),
    saving: 1 - (Math.exp(logX) * (3 * Math.exp(logY) + share)) / (3 + share),
  };
}

const saturate = (repeats, limit) => -limit * Math.expm1(-repeats / limit);

// Muennighoff et al. (2023): ln of the counts that enter the law of fresh data.
function effective(law, repeats, logG, logN, logD, unique) {
  const logU = Math.min(Math.log(unique), logD);
  const logBestN = logG + (law.beta / law.alpha) * (logG + logU);
  const logBase = Math.min(logN, logBestN);
  return [
    logBase + Math.log1p(saturate(Math.expm1(logN - logBase), repeats.r_n)),
    logU + Math.log1p(saturate(Math.expm1(logD - logU), repeats.r_d)),
  ];
}

function constrained(law, repeats, best, logFlops, unique, points) {
  const logSixth = logFlops - Math.log(6);
  const loss = (logN) => reducible(law, ...effective(law, repeats, best.logG, logN, logSixth - logN, unique));
  const step = (2 * SIDE) / (points - 1);
  let lowest = best.logN - SIDE, value = Infinity;
  for (let i = 0; i < points; i++) {
    const x = best.logN - SIDE + i * step, found = loss(x);
    if (found < value) [lowest, value] = [x, found];
  }
  let low = lowest - step, high = lowest + step;
  let a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low), fa = loss(a), fb = loss(b);
  while (high - low > 1e-10) {
    if (fa < fb) [high, b, fb, a] = [b, a, fa, a - (1 - GOLDEN) * (b - low)], fa = loss(a);
    else [low, a, fa, b] = [a, b, fb, b + (1 - GOLDEN) * (high - b)], fb = loss(b);
  }
  const logN = (low + high) / 2;
  return { logN, logD: logSixth - logN, reducible: loss(logN), overhead: 0 };
}

// The best model of a law: setting is {flops, convention, served, unique}; unique may be null.
export function best(law, data, setting, points = 2401) {
  const logFlops = inSixND(law, data.ratios, setting.convention, setting.flops);
  const fresh = logBest(law, logFlops);
  let found = { ...fresh, overhead: 0 };
  if (setting.served > 0) found = { ...found, ...served(law, fresh, setting.served) };
  if (setting.unique) {
    found = { ...found, ...constrained(law, data.repeats, fresh, logFlops, setting.unique, points) };
  }
  const above = found.reducible ?? reducible(law, found.logN, found.logD);
  return {
    six_nd: Math.exp(logFlops),
    n_params: Math.exp(found.logN),
    n_tokens: Math.exp(found.logD),
    tokens_per_param: Math.exp(found.logD - found.logN),
    loss: law.E + above,
    overhead: found.overhead,
    saving: setting.served > 0 ? found.saving : null,
    epochs: setting.unique ? Math.exp(found.logD) / setting.unique : null,
    loss_given_up: setting.unique ? above - reducible(law, fresh.logN, fresh.logD) : null,
  };
}

// As numpy's: linear between the order statistics.
function quantile(sorted, share) {
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

// The best model with intervals, percentiles over the law's resamples, where it has some.
export function allocate(data, setting) {
  const entry = data.laws[setting.law];
  const result = best(entry.law, data, setting);
  const intervals = {};
  if (entry.draws.length) {
    const each = entry.draws.map(([E, logA, logB, alpha, beta]) =>
      best({ E, logA, logB, alpha, beta }, data, setting, 241));
    for (const name of Object.keys(result)) {
      if (result[name] === null || name === "six_nd" || (name === "overhead" && !setting.served)) continue;
      const values = each.map((one) => one[name]).sort((x, y) => x - y);
      intervals[name] = [(1 - data.level) / 2, (1 + data.level) / 2].map((share) => quantile(values, share));
    }
  }
  return { ...result, intervals };
}
