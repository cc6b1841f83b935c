/* Inference on a rolling window of frames, hop by hop, without computing again
 * what has not changed: the same bytes as es_model_run on the whole window.
 *
 * Rows of a tensor, along dimension 1, are places in time as long as operators
 * keep them (ES_WINDOW, ES_SAME_ROW, a view with as many rows; one batch). From
 * row to row of a tensor there are S frames: 1 at the input, and a window
 * operator with stride t multiplies S by t. Both operands of an ADD must agree.
 *
 * A row is clean if what it is made of touches neither padding in time nor a
 * row that is not clean. All rows of the input are. If the clean rows of an
 * operator's input are [c, d), those of its output are, for a window of `extent`
 * rows with stride t, beginning p rows above the first,
 *     r * t - p >= c  and  r * t - p + extent <= d,
 * for ADD the intersection of both operands'. What stands in clean row r follows
 * from the frames under it alone, and its first frame is r * S plus the same for
 * all r. So, when the window moves on by h frames, clean row r is what clean row
 * r + h / S was before, if S divides h. Where S does not, nothing is kept: older
 * copies, one for each phase, would be needed. All other rows must be computed:
 * the h / S newest, and those at the edges, for which padding moves with the window.
 *
 * What a hop computes follows from the output backwards. Of each tensor the rows
 * are needed that its readers need for the rows that they compute; [0, head) and
 * [tail, end) cover them. If that is more than the rows that are new or not clean,
 * the tensor is kept from hop to hop, in memory of its own, its rows are moved
 * by h / S, and only the new and the unclean ones are computed. Otherwise it is
 * computed where it is needed and shares memory as in es_model_run. Operators
 * that read a tensor as a whole need all of it: what is behind them is computed
 * anew, after its last kept input.
 *
 * The rolling window is the model's input, in the arena. */
#ifndef ES_INCREMENTAL_H
#define ES_INCREMENTAL_H

#include "model.h"
#include "small.h"

/* Plans an opened model's arena for a stream: its input holds `frames` frames,
 * and `hop` new ones come at a time (1..frames). Of what is worth keeping from hop
 * to hop as much is kept as an arena of `arena_size` bytes has room for, the
 * first operators' before later ones'; with 0 each hop computes everything.
 * m->arena_size tells what es_model_load will need.
 * ES_ERR_INPUT_SIZE: the input is not a number of whole frames;
 * ES_ERR_ARGUMENT: the hop is not in the window. */
ES_SMALL es_status es_incremental_plan(es_model *m, uint16_t frames, uint16_t hop, size_t arena_size);

/* Begins a stream: all frames of the window hold `value`. After es_model_load;
 * es_model_run does so, too, with a window of its own. */
ES_SMALL void es_incremental_reset(es_model *m, int8_t value);

/* Takes the next frame. With the hop's last one the output of what the window
 * holds now is computed, and *answered is true. ES_ERR_ARENA before es_model_load,
 * ES_ERR_ARGUMENT without a plan for streams, ES_ERR_OUTPUT_SIZE. */
es_status es_incremental_push(es_model *m, const int8_t *frame, bool *answered, int8_t *output, size_t output_size);

/* Multiply-accumulates of one hop. */
ES_SMALL uint64_t es_incremental_macs(const es_model *m);

#endif
