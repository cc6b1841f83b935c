/* A clip that every machine makes alike, and what the front ends make of it. */
#ifndef ES_BRINGUP_CLIP_H
#define ES_BRINGUP_CLIP_H

#include "core/frontend.h"

#define ES_BRINGUP_CLIP_SAMPLES ES_FRONTEND_CLIP_SAMPLES

/* Noise in four swelling bursts, a quarter of a second each. */
void es_bringup_clip(int16_t samples[ES_BRINGUP_CLIP_SAMPLES]);

/* The first four bytes, big-endian, of the SHA-256 of a front end's features
 * of a clip. */
es_status es_bringup_digest(const es_frontend *f, const int16_t samples[ES_BRINGUP_CLIP_SAMPLES], uint32_t *digest);

/* What it must be for that clip; 0 for a front end that has no golden digest. */
uint32_t es_bringup_golden(const char *frontend);

#endif
