/* $title
 *
 * Every layer is a convolution; see run_layer. Made by lenet; do not edit. */
#include "$name.h"

#include <stddef.h>

struct layer {
    const $weight_type *weight;  /* per output channel: side * side * channels of its group$packed */
    const int32_t *bias;         /* per output channel */
    const int32_t *multiplier;   /* per output channel; the result is divided by 2^shift */
    const uint8_t *table;        /* the activation of scaled + $half, or NULL */
    uint16_t channels_in, channels_out, groups;
    uint8_t size_in, size_out;   /* height and width in pixels; size_out is after pooling */
    uint8_t side, stride, padding, pool;
    uint8_t shift;
    uint8_t zero, outside;       /* what stands for 0 in the input, and the value around it */
    uint8_t new_zero;            /* what stands for 0 in the output */
};

$arrays
static const struct layer layers[$depth] = {
$layers
};

const char *const ${name}_names[$classes] = {$names};

/* The states of a layer and of the next one, by turns. */
static uint8_t even[$even], odd[$odd];

$weight_function
/* Return x / 2^shift, rounded down; C99 leaves the shift of negative numbers to the compiler. */
static int32_t shifted(int64_t x, unsigned shift)
{
    return (int32_t)(x >= 0 ? x >> shift : ~(~x >> shift));
}

/* Convolve, scale, apply the activation and pool. States lie pixel by pixel, channels innermost.
 * Scores, if given, take the scaled sums of the last layer instead of states. */
static void run_layer(const struct layer *l, const uint8_t *in, uint8_t *out, int32_t *scores)
{
    const int size = l->size_in, depth = l->channels_in / l->groups;
    const int per_group = l->channels_out / l->groups;
    int y, x, c, p, ky, kx, i;

    for (y = 0; y < l->size_out; y++)
        for (x = 0; x < l->size_out; x++)
            for (c = 0; c < l->channels_out; c++) {
                uint8_t most = 0;
                for (p = 0; p < l->pool * l->pool; p++) {
                    const int top = (y * l->pool + p / l->pool) * l->stride - l->padding;
                    const int left = (x * l->pool + p % l->pool) * l->stride - l->padding;
                    size_t w = (size_t)c * l->side * l->side * depth;
                    int32_t sum = l->bias[c], scaled;
                    for (ky = 0; ky < l->side; ky++)
                        for (kx = 0; kx < l->side; kx++) {
                            const int row = top + ky, column = left + kx;
                            if (row >= 0 && row < size && column >= 0 && column < size) {
                                const uint8_t *state = in
                                    + ((size_t)row * size + column) * l->channels_in
                                    + c / per_group * depth;
                                for (i = 0; i < depth; i++)
                                    sum += $weight_at * (state[i] - l->zero);
                            } else if (l->outside != l->zero) {
                                for (i = 0; i < depth; i++)
                                    sum += $weight_at * (l->outside - l->zero);
                            }
                            w += depth;
                        }
                    scaled = shifted(
                        (int64_t)sum * l->multiplier[c] + ((int64_t)1 << (l->shift - 1)), l->shift);
                    if (scores) {
                        scores[c] = scaled;
                        continue;
                    }
                    if (l->table) {
                        scaled += $half;
                        scaled = l->table[scaled < 0 ? 0 : scaled > $last ? $last : scaled];
                    } else {
                        scaled += l->new_zero;
                        scaled = scaled < 0 ? 0 : scaled > 255 ? 255 : scaled;
                    }
                    if (scaled > most)
                        most = (uint8_t)scaled;
                }
                if (!scores)
                    out[((size_t)y * l->size_out + x) * l->channels_out + c] = most;
            }
}

int ${name}_predict(const uint8_t image[$pixels], int32_t scores[$classes])
{
    int32_t own[$classes];
    const uint8_t *in = image;
    int i, best = 0;

    if (!scores)
        scores = own;
    for (i = 0; i < $depth; i++) {
        uint8_t *out = i % 2 ? odd : even;
        run_layer(&layers[i], in, out, i == $depth - 1 ? scores : NULL);
        in = out;
    }
    for (i = 1; i < $classes; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}
