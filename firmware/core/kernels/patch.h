/* The parts of an image that windows see, one after the other as filters are:
 * rows, columns, channels. */
#ifndef ES_KERNELS_PATCH_H
#define ES_KERNELS_PATCH_H

#include "panel.h"

typedef struct {
    const es_window *window;
    const int8_t *image; /* its first value of interest; patches take `depth` channels from there */
    int32_t height, width, channels;
    int32_t depth;
    int32_t columns;     /* of the output */
    int32_t zero_point;  /* the value beyond the edges */
    int32_t row_size;    /* of the image */
    int32_t row_values;  /* of a patch */
    int32_t strip_width; /* values of a row of the strip; 0: there is none */
    int32_t strip_row;   /* output row that the strip holds the patches of; -1 none */
    bool neighbours;     /* a patch's rows are parts of the image's rows ... */
    bool joined;         /* ... and all of them one part of the image */
    es_patch_shape here; /* of patches in the image or the strip; no rows where they have to be put together */
    es_patch_shape whole; /* of one that is put together */
    int8_t *patch;        /* room for one */
    int8_t *strip;       /* rows of the image with what is beyond its edges, for patches of many small rows */
} es_patches;

/* Bytes in which patches are put together for an output of `columns`; 0 where every
 * one lies in the image as it is. */
ES_SMALL uint32_t es_patches_size(const es_tensor *in, const es_window *w, int32_t depth, int32_t columns);

/* Patches of `depth` channels of an image like `in`, put together in `memory`. */
ES_SMALL void es_patches_init(es_patches *p, const es_tensor *in, const es_window *w, int32_t depth, int32_t columns,
                     int8_t *memory);

/* The image that patches are taken from next. */
static inline void es_patches_from(es_patches *p, const int8_t *image)
{
    p->image = image;
    p->strip_row = -1;
}

/* Fills a panel with the patches of output places from (row, column) on, row by row. */
void es_patches_put(es_patches *p, int32_t row, int32_t column, const es_panel *panel);

#endif
