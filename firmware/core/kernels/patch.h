/* The parts of an image that windows see, one after the other as filters are:
 * rows, columns, channels. */
#ifndef ES_KERNELS_PATCH_H
#define ES_KERNELS_PATCH_H

#include "panel.h"
#include "window.h"

typedef struct {
    const es_window *window;
    const int8_t *image; /* its first value of interest; patches take `depth` channels from there */
    int32_t height, width, channels;
    int32_t depth;
    int32_t zero_point; /* the value beyond the edges */
    int8_t *buffer;     /* of es_patch_size bytes */
} es_patches;

/* Bytes in which a patch is put together; 0 where every one lies in the image as it is. */
uint32_t es_patch_size(const es_window *w, int32_t depth);

/* Puts the patch of an output place into place `position` of a panel, less the zero point. */
void es_patch_put(const es_patches *p, int32_t row, int32_t column, const es_panel *panel, int32_t position);

#endif
