/* Where in the arena everything lies.
 *
 * A piece of memory is an operator's output, its scratch, or the model's input.
 * Two pieces that are in use at the same time stay apart, but for this:
 *
 * - A view (RESHAPE), and the output of an operator that works element by
 *   element, lie on an operand's memory; the latter where nothing needs the
 *   operand any more.
 * - A window operator's output may reach into an input that nobody reads later,
 *   as far as its reading order allows. Going forward, block after block, with
 *   the output below the input: what is written up to the end of a block (rows
 *   before e, of `out` bytes each) must not touch what this block or a later one
 *   reads (rows from l on, of `in` bytes each). Hence
 *       input - output >= e * out - l * in        for every block,
 *   and going backward, with the output above the input,
 *       output - input >= h * in - s * out        for every block,
 *   s being the block's first row and h the end of the rows that it or an
 *   earlier block reads. Wherever blocks begin, for rows may be asked for in parts.
 *
 * Pieces are placed one by one at the end of the memory taken so far where it
 * grows least; of two orders (as they are computed, and the largest first) the
 * one that needs less memory is kept. */
#ifndef ES_PLANNER_H
#define ES_PLANNER_H

#include "model.h"
#include "small.h"

/* Plans the places of outputs, scratch, constants and input, the direction of
 * each operator, and the arena's size. What n->shift and m->frames say is kept
 * between runs has memory of its own. May be called again. */
ES_SMALL void es_plan_arena(es_model *m);

#endif
