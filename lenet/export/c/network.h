/* $title
 *
 * $about
 *
 * C99, no dependencies, no heap, no floating point. Made by lenet; do not edit.
 *
 * Memory
$memory
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ${NAME}_CHANNELS = $channels,
    ${NAME}_HEIGHT = $height,
    ${NAME}_WIDTH = $width,
    ${NAME}_CLASSES = $classes
};

/* The classes' names, in the order of the labels. */
extern const char *const ${name}_names[$classes];

/* Return the label of an image, 0 to ${NAME}_CLASSES - 1.
 *
 * image: rows from top to bottom, pixels from left to right$interleaved; 0 is background,
 *        255 the strokes' full grey. Preprocessing is included.
 * logits: where the output of each class is written, the largest being the label's, or NULL.
 *
 * Not reentrant: the states of the layers are static. */
int ${name}_predict(const uint8_t image[$pixels], int32_t logits[$classes]);

#ifdef __cplusplus
}
#endif

#endif
