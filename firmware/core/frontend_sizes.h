/* What all front ends have in common. */
#ifndef ES_FRONTEND_SIZES_H
#define ES_FRONTEND_SIZES_H

#define ES_FRONTEND_SAMPLE_RATE 16000
#define ES_FRONTEND_WINDOW 480 /* samples of a window */
#define ES_FRONTEND_STEP 320   /* samples from one window to the next */
#define ES_FRONTEND_FRAMES 49  /* of a clip */
#define ES_FRONTEND_CLIP_SAMPLES 16000

#endif
