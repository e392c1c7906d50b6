/* $title
 *
 * Every layer is a convolution; see run_layer. Made by lenet; do not edit. */
#include "$name.h"

#include <stddef.h>

struct layer {
    const $weight_type *weight;  /* per output channel: side * side * channels of its group$packed */
    const int32_t *bias;         /* per output channel, less what stands for 0 in the input */
    const int32_t *multiplier;   /* per output channel; the result is divided by 2^shift */
    const uint8_t *table;        /* the activation of scaled sums, or NULL */
    uint16_t groups, depth, per_group;  /* groups of channels, those in and out of each */
    uint8_t size_in, size_out;   /* height and width in pixels; size_out is after pooling */
    uint8_t side, stride, padding, pool;
    uint8_t shift;
    uint8_t outside;             /* the value around the input */
    uint16_t offset;             /* what stands for 0 in the output, or the table's middle */
};

$arrays
static const struct layer layers[$depth] = {
$layers
};

const char *const ${name}_names[$classes] = {$names};

/* The states of a layer and of the next one, by turns. */
static uint8_t even[$even], odd[$odd];

/* Return the sum of n weights, from a place on, times n states that lie a step apart. */
static int32_t dot(const $weight_type *weight, size_t place, int n, const uint8_t *state, int step)
{
    int32_t sum = 0;

$dot    return sum;
}

/* Return x / 2^shift, rounded down; C99 leaves the shift of negative numbers to the compiler. */
static int32_t shifted(int64_t x, unsigned shift)
{
    return (int32_t)(x >= 0 ? x >> shift : ~(~x >> shift));
}

/* Return the sum of channel c over the window whose first pixel is (top, left). */
static int32_t convolve(const struct layer *l, const uint8_t *in, int c, int top, int left)
{
    const int size = l->size_in, side = l->side, depth = l->depth;
    const int first = left < 0 ? -left : 0;  /* columns of the window that lie in the picture */
    const int end = left + side > size ? size - left : side;
    const int run = l->groups == 1 ? end - first : 1;  /* those that follow one another in memory */
    size_t w = (size_t)c * side * side * depth;
    int32_t sum = l->bias[c];
    int ky, kx;

    for (ky = 0; ky < side; ky++, w += (size_t)side * depth) {
        const int row = top + ky, inside = row >= 0 && row < size;
        if (inside)
            for (kx = first; kx < end; kx += run)
                sum += dot(l->weight, w + (size_t)kx * depth, run * depth,
                    in + (size_t)(row * size + left + kx) * depth * l->groups, 1);
        if (l->outside)
            for (kx = 0; kx < side; kx++)
                if (!inside || kx < first || kx >= end)
                    sum += dot(l->weight, w + (size_t)kx * depth, depth, &l->outside, 0);
    }
    return sum;
}

/* Return the state that a sum becomes; for logits, the scaled sum itself. */
static int32_t scale(const struct layer *l, int32_t sum, int c, int logits)
{
    const int64_t product = (int64_t)sum * l->multiplier[c] + ((int64_t)1 << (l->shift - 1));
    int32_t scaled = shifted(product, l->shift);

    if (logits)
        return scaled;
    scaled += l->offset;
    if (l->table)
        return l->table[scaled < 0 ? 0 : scaled > $last ? $last : scaled];
    return scaled < 0 ? 0 : scaled > 255 ? 255 : scaled;
}

/* Convolve, pool, scale and apply the activation. States lie pixel by pixel, channels innermost.
 * Logits, if given, take the scaled sums of the last layer instead of states. */
static void run_layer(const struct layer *l, const uint8_t *in, uint8_t *out, int32_t *logits)
{
    const int pool = l->pool;
    int y, x, c, g, k, py, px;

    for (y = 0; y < l->size_out; y++)
        for (x = 0; x < l->size_out; x++)
            for (g = 0, c = 0; g < l->groups; g++)
                for (k = 0; k < l->per_group; k++, c++) {
                    int32_t most = INT32_MIN;  /* what follows keeps the order of sums */
                    for (py = y * pool; py < (y + 1) * pool; py++)
                        for (px = x * pool; px < (x + 1) * pool; px++) {
                            const int32_t sum = convolve(l, in + g * l->depth, c,
                                py * l->stride - l->padding, px * l->stride - l->padding);
                            if (sum > most)
                                most = sum;
                        }
                    most = scale(l, most, c, logits != NULL);
                    if (logits)
                        logits[c] = most;
                    else
                        *out++ = (uint8_t)most;
                }
}

${scaling}
int ${name}_predict(const uint8_t image[$pixels], int32_t logits[$classes])
{
    int32_t own[$classes];
    const uint8_t *in = image;
    int i, best = 0;

    if (!logits)
        logits = own;
${scaled}    for (i = 0; i < $depth; i++) {
        uint8_t *out = i % 2 ? odd : even;
        run_layer(&layers[i], in, out, i == $depth - 1 ? logits : NULL);
        in = out;
    }
    for (i = 1; i < $classes; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}
