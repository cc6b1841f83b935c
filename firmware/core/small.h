/* For functions that run seldom: made small rather than fast. What only they call
 * follows them. */
#ifndef ES_SMALL_H
#define ES_SMALL_H

#ifdef __GNUC__
#define ES_SMALL __attribute__((cold))
#else
#define ES_SMALL
#endif

#endif
