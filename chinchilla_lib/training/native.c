/* The parts of a training step that are not matrix products over all tokens, each in one pass over memory.

   Arrays are contiguous float32 unless a stride is given. M models are trained side by side; a row is one
   token. Vectors are the compiler's own, as wide as the processor's: of wider ones it makes very slow code. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define LANES 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LANES 4
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec x) { *(vec *)p = x; }
INLINE vec splat(float x) { return x - (vec){0}; }
INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

/* Lanes of a and b in turn: of their first halves, and of their second. */
#ifdef __clang__
INLINE vec low(vec a, vec b) { return __builtin_shufflevector(a, b, LOW); }
INLINE vec high(vec a, vec b) { return __builtin_shufflevector(a, b, HIGH); }
#else
INLINE vec low(vec a, vec b) { return __builtin_shuffle(a, b, (ivec){LOW}); }
INLINE vec high(vec a, vec b) { return __builtin_shuffle(a, b, (ivec){HIGH}); }
#endif

INLINE float total(vec x) {
    float lane[LANES], s = 0;
    store(lane, x);
#pragma omp simd reduction(+ : s)
    for (int i = 0; i < LANES; i++) s += lane[i];
    return s;
}

INLINE float largest(vec x) {
    float lane[LANES], s = -INFINITY;
    store(lane, x);
#pragma omp simd reduction(max : s)
    for (int i = 0; i < LANES; i++) s = lane[i] > s ? lane[i] : s;
    return s;
}

/* exp(x) for x <= 0, to 2 units in the last place; 0 below -87; not a number where x is none.
   x = n ln 2 + r, |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to the integer n. */
INLINE vec exp_of_negative(vec x) {
    const vec shift = splat(12582912.0f);
    vec t = x * 1.44269504f + shift, n = t - shift;
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    ivec power = ((ivec)t - 0x4B400000 + 127) << 23;
    return choose(x < -87.0f, (vec){0}, p * (vec)power);
}

/* y = gain u, u = x / rms(x), for m models of n rows; gain of model i at gain + i * stride. */
void norm_forward(const float *x, const float *gain, float *u, float *y, float *inverse_rms, float epsilon,
                  int64_t m, int64_t n, int64_t d, int64_t stride) {
    for (int64_t row = 0; row < m * n; row++, x += d, u += d, y += d) {
        const float *g = gain + row / n * stride;
        float square = 0;
#pragma omp simd reduction(+ : square)
        for (int64_t i = 0; i < d; i++) square += x[i] * x[i];
        float r = inverse_rms[row] = 1 / sqrtf(square / d + epsilon);
#pragma omp simd
        for (int64_t i = 0; i < d; i++) {
            u[i] = x[i] * r;
            y[i] = u[i] * g[i];
        }
    }
}

/* d_x += (d_u - u mean(u d_u)) / rms(x), d_u = gain d_y; d_gain = sum of u d_y, on top of what is there to add. */
void norm_backward(const float *d_y, const float *u, const float *inverse_rms, const float *gain, float *d_x,
                   float *d_gain, int64_t m, int64_t n, int64_t d, int64_t stride, int64_t add) {
    for (int64_t row = 0; row < m * n; row++, d_y += d, u += d, d_x += d) {
        const float *g = gain + row / n * stride;
        float *d_g = d_gain + row / n * stride, r = inverse_rms[row], mean = 0;
        if (row % n == 0 && !add) memset(d_g, 0, d * sizeof(float));
#pragma omp simd reduction(+ : mean)
        for (int64_t i = 0; i < d; i++) mean += d_y[i] * g[i] * u[i];
        mean /= d;
#pragma omp simd
        for (int64_t i = 0; i < d; i++) {
            d_x[i] += (d_y[i] * g[i] - u[i] * mean) * r;
            d_g[i] += d_y[i] * u[i];
        }
    }
}

INLINE void relu2_of(vec x, float *slope, float *active) {
    vec y = choose(x < 0.0f, (vec){0}, x);
    store(active, y * y);
    store(slope, 2.0f * y);
}

/* erf by Abramowitz & Stegun 7.1.26, to 1.5e-7. */
INLINE void gelu_of(vec x, float *slope, float *active) {
    vec z = choose(x < 0.0f, -x, x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z);
    vec e = exp_of_negative(-z * z);
    vec tail = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    vec half = 0.5f * tail * e, cdf = choose(x < 0.0f, half, 1.0f - half);
    store(active, x * cdf);
    store(slope, cdf + x * e * 0.39894228f);
}

#define ACTIVATE(of) \
    int64_t whole = n / LANES * LANES; \
    for (int64_t i = 0; i < whole; i += LANES) of(load(hidden + i), hidden + i, active + i); \
    if (whole < n) { \
        float in[LANES] = {0}, out[LANES]; \
        memcpy(in, hidden + whole, (n - whole) * sizeof(float)); \
        of(load(in), in, out); \
        memcpy(hidden + whole, in, (n - whole) * sizeof(float)); \
        memcpy(active + whole, out, (n - whole) * sizeof(float)); \
    }

/* active = relu(hidden)^2; hidden becomes its derivative. */
void relu2(float *hidden, float *active, int64_t n) { ACTIVATE(relu2_of) }

/* active = hidden cdf(hidden), cdf of the normal distribution; hidden becomes the derivative, cdf + x pdf. */
void gelu(float *hidden, float *active, int64_t n) { ACTIVATE(gelu_of) }

/* Losses of n rows of v logits; the logits become scale times the gradient of the loss by them. */
void cross_entropy(float *logits, const int64_t *target, float *loss, float scale, int64_t n, int64_t v) {
    for (int64_t row = 0; row < n; row++, logits += v) {
        int64_t whole = v / LANES * LANES, rest = v - whole;
        float tail[LANES], at_target = logits[target[row]];
        vec last = splat(-INFINITY), top = last, sum = {0};
        memcpy(tail, &last, sizeof tail);
        memcpy(tail, logits + whole, rest * sizeof(float));
        top = load(tail);
        for (int64_t i = 0; i < whole; i += LANES) top = larger(top, load(logits + i));
        float peak = largest(top);
        sum = exp_of_negative(load(tail) - peak);
        memcpy(tail, &sum, sizeof tail);
        memcpy(logits + whole, tail, rest * sizeof(float));
        for (int64_t i = 0; i < whole; i += LANES) {
            vec e = exp_of_negative(load(logits + i) - peak);
            store(logits + i, e);
            sum += e;
        }
        float s = total(sum), factor = scale / s;
        loss[row] = logf(s) + peak - at_target;
#pragma omp simd
        for (int64_t i = 0; i < v; i++) logits[i] *= factor;
        logits[target[row]] -= scale;
    }
}

/* Attention of one head: softmax of the causal scores, values of one sequence. Positions are padded to a
   multiple of two vectors, t_pad, head widths to k_pad, 16 or a higher power of two. Sums of ROWS queries and two
   vectors are held in registers at a time; ROWS divides LANES. */

#define ROWS (LANES > 8 ? 8 : 4)

INLINE int64_t up(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/* out (ROWS, columns) = a (ROWS, k) b (k, t_pad); columns is a multiple of two vectors. */
INLINE void scores(const float *a, int64_t a_row, const float *b, float *out, int64_t k, int64_t columns,
                   int64_t t_pad) {
    for (int64_t j = 0; j < columns; j += 2 * LANES) {
        vec acc[ROWS][2] = {0};
        for (int64_t i = 0; i < k; i++) {
            vec b0 = load(b + i * t_pad + j), b1 = load(b + i * t_pad + j + LANES);
            for (int r = 0; r < ROWS; r++) {
                float x = a[r * a_row + i];
                acc[r][0] += x * b0;
                acc[r][1] += x * b1;
            }
        }
        for (int r = 0; r < ROWS; r++) {
            store(out + r * t_pad + j, acc[r][0]);
            store(out + r * t_pad + j + LANES, acc[r][1]);
        }
    }
}

/* How many vectors of a row of k_pad floats are worked on at a time. */
#define AT_ONCE(k_pad) ((k_pad) > LANES ? 2 : 1)

/* out (ROWS, k_pad) = a (ROWS, n) b (n, k_pad). */
INLINE void weighted_sum(const float *a, int64_t a_row, const float *b, float *out, int64_t n, const int64_t k_pad) {
    for (int64_t i = 0; i < k_pad; i += AT_ONCE(k_pad) * LANES) {
        vec acc[ROWS][2] = {0};
        for (int64_t j = 0; j < n; j++)
            for (int c = 0; c < AT_ONCE(k_pad); c++) {
                vec x = load(b + j * k_pad + i + c * LANES);
                for (int r = 0; r < ROWS; r++) acc[r][c] += a[r * a_row + j] * x;
            }
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < AT_ONCE(k_pad); c++) store(out + r * k_pad + i + c * LANES, acc[r][c]);
    }
}

/* out (n, k_pad) += a' b for a (ROWS, n), b (ROWS, k_pad). */
INLINE void add_outer(const float *a, int64_t a_row, const float *b, float *out, int64_t n, const int64_t k_pad) {
    for (int64_t i = 0; i < k_pad; i += AT_ONCE(k_pad) * LANES) {
        vec held[ROWS][2];
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < AT_ONCE(k_pad); c++) held[r][c] = load(b + r * k_pad + i + c * LANES);
        for (int64_t j = 0; j < n; j++)
            for (int c = 0; c < AT_ONCE(k_pad); c++) {
                vec x = load(out + j * k_pad + i + c * LANES);
                for (int r = 0; r < ROWS; r++) x += a[r * a_row + j] * held[r][c];
                store(out + j * k_pad + i + c * LANES, x);
            }
    }
}

INLINE void turn(const vec *from, vec *to) {
    UNROLL for (int r = 0; r < LANES; r += 2) {
        to[r] = low(from[r / 2], from[(r + LANES) / 2]);
        to[r + 1] = high(from[r / 2], from[(r + LANES) / 2]);
    }
}

/* out (k_pad, t_pad) = x' for x (t_pad, k_pad). In a square, an address is row and lane, so many bits each; each turn
   moves them left by one, and after half of them lanes are rows. */
static void transpose(const float *x, float *out, int64_t t_pad, int64_t k_pad) {
    for (int64_t i = 0; i < k_pad; i += LANES)
        for (int64_t j = 0; j < t_pad; j += LANES) {
            vec a[LANES], b[LANES], *c = LANES == 8 ? b : a;
            UNROLL for (int r = 0; r < LANES; r++) a[r] = load(x + (j + r) * k_pad + i);
            turn(a, b);
            turn(b, a);
            if (LANES > 4) turn(a, b);
            if (LANES > 8) turn(b, a);
            UNROLL for (int r = 0; r < LANES; r++) store(out + (i + r) * t_pad + j, c[r]);
        }
}

/* e = exp(scores - largest of the row) of the ROWS queries from the i-th on, 0 beyond the diagonal up to the end of
   the vector that it crosses; what lies further is not read. Query after query, each would wait for its sums. */
INLINE void exponentials(float *e, float *inverse_sum, int64_t i, int64_t t_pad) {
    static const int32_t lane[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const int64_t last = i / LANES * LANES;
    vec top[ROWS], sum[ROWS];
    float peak[ROWS];
    for (int r = 0; r < ROWS; r++) {
        ivec inside = *(const ivec *)lane <= (int32_t)(i + r - last);
        top[r] = sum[r] = choose(inside, load(e + r * t_pad + last), splat(-INFINITY));
    }
    for (int64_t j = 0; j < last; j += LANES)
        for (int r = 0; r < ROWS; r++) top[r] = larger(top[r], load(e + r * t_pad + j));
    for (int r = 0; r < ROWS; r++) peak[r] = largest(top[r]);
    for (int r = 0; r < ROWS; r++) {
        sum[r] = exp_of_negative(sum[r] - peak[r]);
        store(e + r * t_pad + last, sum[r]);
    }
    for (int64_t j = 0; j < last; j += LANES)
        for (int r = 0; r < ROWS; r++) {
            vec x = exp_of_negative(load(e + r * t_pad + j) - peak[r]);
            store(e + r * t_pad + j, x);
            sum[r] += x;
        }
    for (int r = 0; r < ROWS; r++) inverse_sum[r] = 1 / total(sum[r]);
}

typedef struct {
    int64_t t, h, k, t_pad, k_pad, width;
} Sizes;

/* Queries (scaled) and keys turned by their positions, and values, of one head: each (t_pad, k_pad). */
INLINE void unpack(const float *qkv, const float *cos, const float *sin, float *q, Sizes s) {
    const int64_t half = s.k / 2, block = s.t_pad * s.k_pad, row = 3 * s.width;
    float *key = q + block, *v = key + block, scale = 1 / sqrtf(s.k);
    if (s.t < s.t_pad || s.k < s.k_pad) memset(q, 0, 3 * block * sizeof(float));
    for (int64_t i = 0; i < s.t; i++) {
        const float *x = qkv + i * row, *y = x + s.width, *c = cos + i * s.k, *n = sin + i * s.k;
        float *to_q = q + i * s.k_pad, *to_k = key + i * s.k_pad;
#pragma omp simd
        for (int64_t j = 0; j < half; j++) {
            to_q[j] = (x[j] * c[j] + x[j + half] * n[j]) * scale;
            to_q[j + half] = (x[j + half] * c[j + half] + x[j] * n[j + half]) * scale;
            to_k[j] = y[j] * c[j] + y[j + half] * n[j];
            to_k[j + half] = y[j + half] * c[j + half] + y[j] * n[j + half];
        }
        memcpy(v + i * s.k_pad, y + s.width, s.k * sizeof(float));
    }
}

/* Keeps e = exp(scores - largest of the row), 0 beyond the diagonal, and the inverse of its row sums. */
INLINE void head_forward(const float *qkv, const float *cos, const float *sin, float *e, float *inverse_sum,
                         float *out, float *scratch, Sizes s) {
    const int64_t block = s.t_pad * s.k_pad;
    float *q = scratch, *v = q + 2 * block, *k_t = v + block, *o = k_t + block;
    unpack(qkv, cos, sin, q, s);
    transpose(q + block, k_t, s.t_pad, s.k_pad);
    for (int64_t i = 0; i < s.t; i += ROWS) {
        int64_t columns = up(i + ROWS, 2 * LANES);
        float *e_i = e + i * s.t_pad;
        scores(q + i * s.k_pad, s.k_pad, k_t, e_i, s.k, columns, s.t_pad);
        exponentials(e_i, inverse_sum + i, i, s.t_pad);
        weighted_sum(e_i, s.t_pad, v, o, i + ROWS, s.k_pad);
        for (int r = 0; r < ROWS && i + r < s.t; r++)
            for (int64_t j = 0; j < s.k; j++)
                out[(i + r) * s.width + j] = o[r * s.k_pad + j] * inverse_sum[i + r];
    }
}

INLINE void head_backward(const float *qkv, const float *cos, const float *sin, const float *e,
                          const float *inverse_sum, const float *out, const float *d_out, float *d_qkv,
                          float *scratch, Sizes s) {
    const int64_t half = s.k / 2, block = s.t_pad * s.k_pad, row = 3 * s.width;
    float *q = scratch, *key = q + block, *v = key + block, *v_t = v + block;
    float *d_q = v_t + block, *d_k = d_q + block, *d_v = d_k + block, *d_o = d_v + block;
    float *d_e = d_o + block, *mean = d_e + ROWS * s.t_pad, scale = 1 / sqrtf(s.k);
    unpack(qkv, cos, sin, q, s);
    transpose(v, v_t, s.t_pad, s.k_pad);
    memset(d_k, 0, 3 * block * sizeof(float));
    memset(mean, 0, s.t_pad * sizeof(float));
    for (int64_t i = 0; i < s.t; i++) {
        const float *x = d_out + i * s.width, *y = out + i * s.width;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < s.k; j++) {
            sum += x[j] * y[j];
            d_o[i * s.k_pad + j] = x[j] * inverse_sum[i];
        }
        mean[i] = sum * inverse_sum[i];
    }
    for (int64_t i = 0; i < s.t; i += ROWS) {
        int64_t columns = up(i + ROWS, 2 * LANES), n = i + ROWS;
        const float *e_i = e + i * s.t_pad;
        for (int r = 0; r < ROWS && i + ROWS < s.t; r++) /* of the next rows, while these are worked on */
            for (int64_t j = 0; j < n + ROWS; j += LANES) __builtin_prefetch(e_i + (ROWS + r) * s.t_pad + j);
        scores(d_o + i * s.k_pad, s.k_pad, v_t, d_e, s.k, columns, s.t_pad);
        for (int r = 0; r < ROWS; r++)
            for (int64_t j = r * s.t_pad; j < r * s.t_pad + n; j += LANES)
                store(d_e + j, (load(d_e + j) - mean[i + r]) * load(e_i + j));
        weighted_sum(d_e, s.t_pad, key, d_q + i * s.k_pad, n, s.k_pad);
        add_outer(d_e, s.t_pad, q + i * s.k_pad, d_k, n, s.k_pad);
        add_outer(e_i, s.t_pad, d_o + i * s.k_pad, d_v, n, s.k_pad);
    }
    for (int64_t i = 0; i < s.t; i++) {
        float *x = d_qkv + i * row, *y = x + s.width;
        const float *c = cos + i * s.k, *n = sin + i * s.k, *from_q = d_q + i * s.k_pad, *from_k = d_k + i * s.k_pad;
#pragma omp simd
        for (int64_t j = 0; j < half; j++) {
            x[j] = (from_q[j] * c[j] + from_q[j + half] * n[j + half]) * scale;
            x[j + half] = (from_q[j + half] * c[j + half] + from_q[j] * n[j]) * scale;
            y[j] = from_k[j] * c[j] + from_k[j + half] * n[j + half];
            y[j + half] = from_k[j + half] * c[j + half] + from_k[j] * n[j];
        }
        memcpy(y + s.width, d_v + i * s.k_pad, s.k * sizeof(float));
    }
}

/* CALL with sizes that the compiler knows: k_pad, and k where it is the same. */
#define KNOWN(K, K_PAD, CALL) { \
        s.k = K; \
        s.k_pad = K_PAD; \
        CALL; \
    } break
#define FOR_EACH_WIDTH(CALL) \
    switch (s.k == s.k_pad ? s.k : -s.k_pad) { \
    case 16: KNOWN(16, 16, CALL); \
    case 32: KNOWN(32, 32, CALL); \
    case 64: KNOWN(64, 64, CALL); \
    case 128: KNOWN(128, 128, CALL); \
    case -16: KNOWN(k, 16, CALL); \
    case -32: KNOWN(k, 32, CALL); \
    case -64: KNOWN(k, 64, CALL); \
    case -128: KNOWN(k, 128, CALL); \
    }

INLINE Sizes sizes_of(int64_t t, int64_t h, int64_t k) {
    int64_t k_pad = 16;
    while (k_pad < k) k_pad *= 2;
    return (Sizes){t, h, k, up(t, 2 * LANES), k_pad, h * k};
}

/* Floats of e and of inverse_sum for one head, and of the scratch memory. */
void attention_sizes(int64_t t, int64_t k, int64_t *sizes) {
    Sizes s = sizes_of(t, 1, k);
    sizes[0] = s.t_pad * s.t_pad;
    sizes[1] = s.t_pad;
    sizes[2] = 8 * s.t_pad * s.k_pad + (ROWS + 1) * s.t_pad;
}

/* qkv (g, t, 3, h, k) to out (g, t, h, k); cos and sin (t, k), sin with the sign of the rotation. */
void attention_forward(const float *qkv, const float *cos, const float *sin, float *e, float *inverse_sum,
                       float *out, float *scratch, int64_t g, int64_t t, int64_t h, int64_t k) {
    Sizes s = sizes_of(t, h, k);
    for (int64_t i = 0; i < g * h; i++) {
        int64_t first = i / h * t * s.width, head = i % h * k;
        FOR_EACH_WIDTH(head_forward(qkv + 3 * first + head, cos, sin, e + i * s.t_pad * s.t_pad,
                                    inverse_sum + i * s.t_pad, out + first + head, scratch, s))
    }
}

void attention_backward(const float *qkv, const float *cos, const float *sin, const float *e,
                        const float *inverse_sum, const float *out, const float *d_out, float *d_qkv,
                        float *scratch, int64_t g, int64_t t, int64_t h, int64_t k) {
    Sizes s = sizes_of(t, h, k);
    for (int64_t i = 0; i < g * h; i++) {
        int64_t first = i / h * t * s.width, head = i % h * k;
        FOR_EACH_WIDTH(head_backward(qkv + 3 * first + head, cos, sin, e + i * s.t_pad * s.t_pad,
                                     inverse_sum + i * s.t_pad, out + first + head, d_out + first + head,
                                     d_qkv + 3 * first + head, scratch, s))
    }
}
