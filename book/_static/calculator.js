// The page of the allocation calculator: reads the form, shows the best model, keeps the setting in the address.
import { allocate, ratioAt } from "./allocation.js";

const UNITS = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 };
const FIRST = { budget: "5.76e23", law: "epoch", count: "six_nd", served: "", unique: "" };
const FIELDS = Object.keys(FIRST);
const $ = (name) => document.getElementById(`calc-${name}`);
const form = document.getElementById("calc-form");

class BadInput extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

function number(field, text, what) {
  const found = /^([0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:(e[+-]?[0-9]+)|\s*([kmbt]))?$/i.exec(text.trim());
  const value = found && Number(found[1].replaceAll("_", "") + (found[2] ?? "")) * (UNITS[found[3]?.toLowerCase()] ?? 1);
  if (!(value > 0 && Number.isFinite(value))) {
    throw new BadInput(field, `${what} is “${text}”; write a number above zero, such as 1400000, 1.4T or 5.76e23.`);
  }
  return value;
}

function read(data) {
  const parts = form.budget.value.split(/[x×*]/i);
  if (parts.length > 2) throw new BadInput("budget", "The budget is FLOPs, or parameters x tokens.");
  const [first, second] = parts.map((part) => number("budget", part, "The budget"));
  const convention = form.count.value;
  const flops = second ? 6 * first * second * ratioAt(data.ratios, convention, Math.log(first)) : first;
  if (flops > data.largest_flops) {
    throw new BadInput("budget", `The budget is ${short(flops)} FLOPs; budgets go to ${plain(data.largest_flops)}.`);
  }
  const optional = (field, what) => (form[field].value.trim() ? number(field, form[field].value, what) : null);
  const served = optional("served", "The number of served tokens") ?? 0;
  const unique = optional("unique", "The number of unique tokens");
  if (served && unique) {
    throw new BadInput("unique", "Give tokens to be served or unique tokens, not both: the library has no optimum for both.");
  }
  if (Math.max(served, unique ?? 0) > data.largest_flops) {
    throw new BadInput(served ? "served" : "unique", `Tokens go to ${plain(data.largest_flops)}.`);
  }
  return { flops, law: form.law.value, convention, served, unique };
}

// Six digits, with the suffix of the form's own numbers.
function short(value) {
  const rounded = Number(value.toPrecision(6));
  const suffix = Object.entries(UNITS).reverse().find(([, unit]) => rounded >= unit);
  if (!suffix || rounded >= 1e16) return plain(rounded);
  return `${plain(rounded / suffix[1])}${suffix[0] === "k" ? "k" : suffix[0].toUpperCase()}`;
}

function plain(value) {
  const rounded = Number(value.toPrecision(6));
  return (Math.abs(rounded) >= 1e12 ? rounded.toExponential() : String(rounded)).replace("e+", "e");
}

const percent = (value) => `${plain(100 * value)} %`;

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent?.append(made);
  return made;
}

function show(data, setting) {
  const entry = data.laws[setting.law], found = allocate(data, setting);
  if (!(found.n_params >= 1 && found.n_tokens >= 1)) {
    throw new BadInput("budget", "By this law the best model has less than one parameter or token; give a larger budget.");
  }
  const rows = [
    ["n_params", "Parameters N", short, entry.chapter],
    ["n_tokens", "Training tokens D", short, entry.chapter],
    ["tokens_per_param", "Tokens per parameter", plain, "notebooks/misreadings.html"],
    ["loss", "Loss, nats per token", plain, entry.chapter],
    ...(setting.served ? [
      ["overhead", "More training compute", percent, "notebooks/serving.html"],
      ["saving", "Saved, training and serving", percent, "notebooks/serving.html"],
    ] : []),
    ...(setting.unique ? [
      ["epochs", "Passes over the data", plain, "notebooks/repeating-data.html"],
      ["loss_given_up", "Loss given up, nats", plain, "notebooks/repeating-data.html"],
    ] : []),
  ];
  const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  const hasIntervals = Object.keys(found.intervals).length > 0;
  for (const title of ["Best model", "Value", ...(hasIntervals ? [`${percent(data.level)} interval`] : [])]) {
    element("th", title, head).scope = "col";
  }
  for (const [name, title, write, chapter] of rows) {
    const row = body.insertRow(), header = element("th", "", row), ends = found.intervals[name];
    header.scope = "row";
    element("a", title, header).href = `../${chapter}`;
    element("td", write(found[name]), row).dataset.field = name;
    row.lastChild.dataset.value = String(found[name]);
    if (hasIntervals) element("td", ends ? `${write(ends[0])} to ${write(ends[1])}` : "not known", row);
  }
  const notes = [];
  const { largest } = entry;
  const used = { n_params: found.n_params, n_tokens: found.n_tokens, flops: found.six_nd };
  const beyond = Object.keys(used).filter((name) => largest[name] && used[name] > 1.05 * largest[name]);
  const names = { n_params: "parameters", n_tokens: "tokens", flops: "FLOPs" };
  if (entry.small) notes.push("Small scale: a law of our own runs.");
  if (beyond.length) {
    notes.push(`Extrapolated: the largest run of the fit has ${beyond.map((name) => `${(name === "flops" ? plain : short)(largest[name])} ${names[name]}`).join(", ")}.`);
  }
  if (!entry.draws.length) notes.push("No interval is known for this law.");
  if (setting.convention !== "six_nd") notes.push(`The budget is ${plain(found.six_nd)} FLOPs when counted as 6ND.`);
  const counted = data.ratios.log_n, logN = Math.log(found.n_params);
  if (setting.convention !== "six_nd" && (logN < counted[0] || logN > counted[counted.length - 1])) {
    notes.push("Counts: no model of this size was counted; the ratio of the nearest one is held.");
  }
  const result = $("result");
  result.replaceChildren(table);
  for (const note of notes) element("small", note, result);
  $("code").textContent = call(data, setting, found);
  $("call").hidden = false;
}

// The same in the library. Laws that it does not name are written out.
function call(data, setting, found) {
  const flops = Number(found.six_nd.toPrecision(12)), named = setting.law !== "main", { law } = data.laws[setting.law];
  if (named && !setting.served && !setting.unique) return `chinchilla-lib allocate --flops ${flops} --law ${setting.law}`;
  const start = named
    ? `from chinchilla_lib.reference.laws import LAWS${setting.unique ? ", MUENNIGHOFF" : ""}\nlaw = LAWS["${setting.law}"].law`
    : "from math import exp\nfrom chinchilla_lib.laws import ParametricLoss\n"
      + (setting.unique ? "from chinchilla_lib.reference.laws import MUENNIGHOFF\n" : "")
      + `law = ParametricLoss(E=${law.E}, A=exp(${law.logA}), B=exp(${law.logB}), alpha=${law.alpha}, beta=${law.beta})`;
  const lines = [start, `flops = ${flops}`];
  if (setting.unique) {
    lines.push(
      "from chinchilla_lib.laws import RepeatedDataLoss",
      "from chinchilla_lib.fitting.data_constrained import allocate_data_constrained",
      "repeated = RepeatedDataLoss(law, r_d=MUENNIGHOFF.r_d, r_n=MUENNIGHOFF.r_n)",
      `print(allocate_data_constrained(repeated, flops, ${setting.unique}))`,
    );
  } else if (!setting.served) {
    lines.push(
      "n_params, n_tokens = law.n_opt(flops), law.d_opt(flops)",
      "print(n_params, n_tokens, law.loss(n_params, n_tokens))",
    );
  } else {
    lines.push(
      "from chinchilla_lib.fitting.serving import cheapest_for_loss",
      "loss = law.loss(law.n_opt(flops), law.d_opt(flops))",
      `print(cheapest_for_loss(law, loss, ${setting.served}))`,
    );
  }
  return lines.join("\n");
}

function update(data) {
  $("result").ariaBusy = "false";
  for (const field of FIELDS) form[field].removeAttribute("aria-invalid");
  $("law-help").textContent = data.laws[form.law.value].about;
  try {
    show(data, read(data));
    $("error").textContent = "";
    const kept = new URLSearchParams(FIELDS.map((field) => [field, form[field].value.trim()]).filter(([, value]) => value));
    history.replaceState(null, "", `#${kept}`);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    form[error.field].setAttribute("aria-invalid", "true");
    $("error").textContent = error.message;
    $("result").replaceChildren();
    $("call").hidden = true;
  }
}

function restore() {
  for (const [field, value] of Object.entries(FIRST)) form[field].value = value;
  for (const [field, value] of new URLSearchParams(location.hash.slice(1))) {
    const input = FIELDS.includes(field) ? form[field] : null;
    if (input && (input.tagName === "INPUT" || [...input.options].some((option) => option.value === value))) input.value = value;
  }
}

async function start() {
  const response = await fetch(new URL("calculator.json", import.meta.url));
  if (!response.ok) throw new Error(`calculator.json: ${response.status}`);
  const data = await response.json();
  for (const { name, title } of Object.values(data.laws)) form.law.add(new Option(title, name));
  for (const [name, about] of Object.entries(data.conventions)) form.count.add(new Option(about, name));
  restore();
  form.hidden = false;
  let waiting;
  form.addEventListener("input", () => {
    $("result").ariaBusy = "true";
    clearTimeout(waiting);
    waiting = setTimeout(() => update(data), 250); // while someone types
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    restore();
    update(data);
  });
  $("copy").addEventListener("click", async () => {
    clearTimeout(waiting);
    update(data); // what was typed a moment ago counts
    if ($("call").hidden) return;
    try {
      await navigator.clipboard.writeText($("code").textContent);
      $("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren($("code")); // the browser forbids it: one key is left to press
      $("copy").textContent = "Selected";
    }
    setTimeout(() => ($("copy").textContent = "Copy"), 2000);
  });
  update(data);
}

start().catch((error) => {
  $("error").textContent = `The calculator could not start (${error.message}); chinchilla-lib allocate gives the same numbers.`;
});
