/* earshot-measure.elf: the firmware's core under QEMU, counted.
 *
 *   infer MODEL INPUTS OUTPUTS        scores of each input, and what a layer costs
 *   features FRONTEND SAMPLES FRAMES  frames of a stream of samples, and what a step costs
 *   stream MODEL SAMPLES SCORES       scores at each hop of a stream, and what a hop costs; the model has a card
 *   clips FRONTEND SAMPLES FEATURES   features of clips of 16,000 samples each
 *
 * Files hold int8 values and little-endian int16 samples, read and written by
 * semihosting. Prints one JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/classifier.h"
#include "../../core/frontend.h"
#include "../../core/incremental.h"
#include "../../core/model.h"
#include "../../core/operators.h"
#include "../../core/stream.h"
#include "counter.h"

static es_model model;

static int fail(const char *what, const char *why)
{
    (void)printf("{\"error\":\"%s: %s\"}\n", what, why);
    return 1;
}

/* A whole file, aligned for any use; NULL if it cannot be read. */
static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    void *bytes = NULL;
    long end;

    *size = 0;
    if (f == NULL) {
        return NULL;
    }
    if (fseek(f, 0, SEEK_END) == 0 && (end = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        bytes = malloc((size_t)end + 1);
        *size = bytes == NULL ? 0 : fread(bytes, 1, (size_t)end, f);
    }
    (void)fclose(f);
    return bytes;
}

static bool write_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    const bool written = f != NULL && fwrite(bytes, 1, size, f) == size;

    return f != NULL && fclose(f) == 0 && written;
}

/* One more inference, operator by operator, counted. */
static void print_layers(const int8_t *input)
{
    uint16_t i;

    memcpy(es_model_values(&model, model.input), input, model.tensors[model.input].elements);
    (void)printf("\"layers\":[");
    for (i = 0; i < model.node_count; i++) {
        const es_node *n = &model.nodes[i];
        const es_tensor *out = &model.tensors[n->output];
        const es_rows all = {0, out->rank > 1 ? out->shape[1] : 1};
        const uint64_t macs = es_operator_macs(&model, n);
        const uint32_t start = es_counter_now();
        uint32_t instructions;

        n->operator_->run(&model, n, all);
        instructions = es_counter_since(start);
        (void)printf("%s{\"op\":\"%s\",\"instructions\":%lu,\"macs\":%lu}", i == 0 ? "" : ",", n->operator_->name,
                     (unsigned long)instructions, (unsigned long)macs);
    }
    (void)printf("]");
}

static int infer(const char *model_path, const char *inputs_path, const char *outputs_path)
{
    size_t model_size;
    size_t inputs_size;
    const uint8_t *file = read_file(model_path, &model_size);
    const int8_t *inputs = read_file(inputs_path, &inputs_size);
    es_status status;
    uint32_t opening;
    uint32_t instructions = 0;
    uint32_t stack = 0;
    uint32_t start;
    int8_t *outputs;
    void *arena;
    size_t in;
    size_t out;
    size_t runs;
    size_t i;

    if (file == NULL || inputs == NULL) {
        return fail("files", "cannot be read");
    }
    start = es_counter_now();
    status = es_model_open(&model, file, model_size);
    if (status != ES_OK) {
        return fail(es_error_name(status), es_error_text(status));
    }
    arena = malloc(model.arena_size);
    status = es_model_load(&model, arena, model.arena_size);
    opening = es_counter_since(start);
    if (status != ES_OK) {
        return fail(es_error_name(status), es_error_text(status));
    }
    in = model.tensors[model.input].elements;
    out = model.tensors[model.output].elements;
    runs = inputs_size / in;
    outputs = malloc(runs * out + 1);
    if (runs == 0 || inputs_size % in != 0 || outputs == NULL) {
        return fail("inputs", "not a whole number of inputs");
    }
    for (i = 0; i < runs; i++) {
        uint32_t used;

        es_stack_paint();
        start = es_counter_now();
        status = es_model_run(&model, inputs + i * in, in, outputs + i * out, out);
        instructions = es_counter_since(start);
        used = es_stack_used();
        stack = used > stack ? used : stack;
        if (status != ES_OK) {
            return fail(es_error_name(status), es_error_text(status));
        }
    }
    (void)printf("{\"runs\":%lu,\"instructions\":%lu,\"opening_instructions\":%lu,\"macs\":%lu,\"arena_bytes\":%lu,"
                 "\"stack_bytes\":%lu,",
                 (unsigned long)runs, (unsigned long)instructions, (unsigned long)opening,
                 (unsigned long)es_model_macs(&model), (unsigned long)model.arena_size, (unsigned long)stack);
    print_layers(inputs + (runs - 1) * in);
    (void)printf("}\n");
    return write_file(outputs_path, outputs, runs * out) ? 0 : fail(outputs_path, "cannot be written");
}

static int features(const char *id, const char *samples_path, const char *frames_path)
{
    static es_frontend_stream stream;
    const es_frontend *f = es_frontend_find(id);
    size_t size;
    const int16_t *samples = read_file(samples_path, &size);
    size_t count = size / sizeof *samples;
    size_t done = 0;
    size_t frames = 0;
    uint32_t stack = 0;
    uint32_t most = 0;
    uint64_t total = 0;
    int8_t *out;

    if (f == NULL || samples == NULL || count < f->window) {
        return fail("arguments", "an unknown front end, or a file with less than a window of samples");
    }
    out = malloc((count / f->step + 1) * f->channels);
    if (out == NULL) {
        return fail("samples", "too many");
    }
    es_frontend_reset(&stream, f);
    while (done < count) {
        const size_t wanted = count - done < f->step ? count - done : f->step;
        size_t taken;
        uint32_t start;
        uint32_t instructions;
        uint32_t used;
        bool complete;

        es_stack_paint();
        start = es_counter_now();
        complete = es_frontend_feed(&stream, samples + done, wanted, &taken, out + frames * f->channels);
        instructions = es_counter_since(start);
        used = es_stack_used();
        stack = used > stack ? used : stack;
        done += taken;
        if (complete) {
            frames++;
            total += instructions;
            most = instructions > most ? instructions : most;
        }
    }
    (void)printf("{\"frames\":%lu,\"instructions_a_step\":%lu,\"most_instructions_a_step\":%lu,\"stream_bytes\":%lu,"
                 "\"stack_bytes\":%lu}\n",
                 (unsigned long)frames, (unsigned long)(total / (frames == 0 ? 1 : frames)), (unsigned long)most,
                 (unsigned long)sizeof stream, (unsigned long)stack);
    return write_file(frames_path, out, frames * f->channels) ? 0 : fail(frames_path, "cannot be written");
}

static int clips(const char *id, const char *samples_path, const char *features_path)
{
    const es_frontend *f = es_frontend_find(id);
    size_t size;
    const int16_t *samples = read_file(samples_path, &size);
    const size_t clip_count = size / (ES_FRONTEND_CLIP_SAMPLES * sizeof *samples);
    int8_t *out;
    size_t i;

    if (f == NULL || samples == NULL || clip_count == 0 || size % (ES_FRONTEND_CLIP_SAMPLES * sizeof *samples) != 0) {
        return fail("arguments", "an unknown front end, or not a whole number of clips");
    }
    out = malloc(clip_count * es_frontend_features(f));
    if (out == NULL) {
        return fail("samples", "too many");
    }
    for (i = 0; i < clip_count; i++) {
        const es_status status = es_frontend_clip(f, samples + i * ES_FRONTEND_CLIP_SAMPLES, ES_FRONTEND_CLIP_SAMPLES,
                                                  out + i * es_frontend_features(f));

        if (status != ES_OK) {
            return fail(es_error_name(status), es_error_text(status));
        }
    }
    (void)printf("{\"clips\":%lu}\n", (unsigned long)clip_count);
    return write_file(features_path, out, clip_count * es_frontend_features(f)) ? 0
                                                                                 : fail(features_path, "cannot be written");
}

/* What a part of a hop costs. */
typedef struct {
    uint64_t total;
    uint32_t most;
    uint32_t stack;
} cost;

/* Adds what was done since `start`, after es_stack_paint. */
static void add_cost(cost *c, uint32_t start)
{
    const uint32_t instructions = es_counter_since(start);
    const uint32_t used = es_stack_used();

    c->total += instructions;
    c->most = instructions > c->most ? instructions : c->most;
    c->stack = used > c->stack ? used : c->stack;
}

static void print_cost(const char *name, const cost *c, uint32_t hops)
{
    (void)printf("\"%s\":{\"instructions_a_hop\":%lu,\"most_instructions\":%lu,\"stack_bytes\":%lu},", name,
                 (unsigned long)(c->total / (hops == 0 ? 1 : hops)), (unsigned long)c->most, (unsigned long)c->stack);
}

/* What is measured of a stream. */
enum { FRONT_END, INFERENCE, RECOGNISER, PARTS };

/* Takes a step of samples; true after a hop's last, with its scores. What the hop
 * costs is gathered in `hop`. */
static bool measure_step(es_stream *s, const int16_t *samples, int8_t *scores, cost hop[PARTS])
{
    int8_t frame[ES_FRONTEND_CHANNELS_MAX];
    bool answered = false;
    bool complete;
    es_word word;
    size_t taken;
    uint32_t start;

    es_stack_paint();
    start = es_counter_now();
    complete = es_frontend_feed(&s->samples, samples, ES_FRONTEND_STEP, &taken, frame);
    add_cost(&hop[FRONT_END], start);
    if (!complete) {
        return false;
    }
    s->frames++;
    es_stack_paint();
    start = es_counter_now();
    (void)es_classifier_push(s->classifier, frame, &answered, scores);
    add_cost(&hop[INFERENCE], start);
    if (answered) {
        es_stack_paint();
        start = es_counter_now();
        (void)es_recogniser_push(&s->recogniser, scores, 10 + 20 * s->frames, &word);
        add_cost(&hop[RECOGNISER], start);
    }
    return answered;
}

/* Adds a hop's cost to that of all hops. */
static void add_hop(cost total[PARTS], const cost hop[PARTS])
{
    int part;

    for (part = 0; part < PARTS; part++) {
        total[part].total += hop[part].total;
        total[part].most = hop[part].total > total[part].most ? (uint32_t)hop[part].total : total[part].most;
        total[part].stack = hop[part].stack > total[part].stack ? hop[part].stack : total[part].stack;
    }
}

static int stream(const char *model_path, const char *samples_path, const char *scores_path)
{
    static es_classifier classifier;
    static es_stream heard;
    static cost total[PARTS];
    static cost hop[PARTS];
    const size_t ahead = ES_FRONTEND_WINDOW - ES_FRONTEND_STEP;
    size_t model_size;
    size_t size;
    size_t taken;
    const uint8_t *file = read_file(model_path, &model_size);
    const int16_t *samples = read_file(samples_path, &size);
    int8_t none[ES_FRONTEND_CHANNELS_MAX];
    void *arena;
    int8_t *scores;
    size_t labels;
    size_t steps;
    size_t hops = 0;
    size_t i;
    es_status status;

    if (file == NULL || samples == NULL || size / sizeof *samples < ahead) {
        return fail("files", "cannot be read, or less than a window of samples");
    }
    arena = malloc(ES_ARENA_BYTES);
    status = es_classifier_open(&classifier, file, model_size, arena, ES_ARENA_BYTES);
    if (status != ES_OK) {
        return fail(es_error_name(status), es_error_text(status));
    }
    labels = classifier.card.label_count;
    steps = (size / sizeof *samples - ahead) / ES_FRONTEND_STEP;
    scores = malloc((steps + 1) * labels);
    if (scores == NULL) {
        return fail("samples", "too many");
    }
    es_stream_reset(&heard, &classifier);
    /* A window reaches beyond its step: what is ahead of the first step completes no frame. */
    (void)es_frontend_feed(&heard.samples, samples, ahead, &taken, none);
    for (i = 0; i < steps; i++) {
        if (measure_step(&heard, samples + ahead + i * ES_FRONTEND_STEP, scores + hops * labels, hop)) {
            hops++;
            if (hops > 1) {
                add_hop(total, hop);
            }
            memset(hop, 0, sizeof hop); /* the first hop computes everything and is not counted */
        }
    }
    if (hops < 2) {
        return fail("samples", "less than two hops");
    }
    (void)printf("{\"hops\":%lu,\"hop_frames\":%lu,", (unsigned long)hops, (unsigned long)classifier.model.hop);
    print_cost("front_end", &total[FRONT_END], (uint32_t)hops - 1);
    print_cost("inference", &total[INFERENCE], (uint32_t)hops - 1);
    print_cost("recogniser", &total[RECOGNISER], (uint32_t)hops - 1);
    (void)printf("\"macs\":%lu,\"arena_bytes\":%lu,\"stream_bytes\":%lu,\"model_bytes\":%lu}\n",
                 (unsigned long)es_incremental_macs(&classifier.model), (unsigned long)classifier.model.arena_size,
                 (unsigned long)sizeof heard, (unsigned long)sizeof classifier);
    return write_file(scores_path, scores, hops * labels) ? 0 : fail(scores_path, "cannot be written");
}

int main(int argc, char **argv)
{
    es_counter_start();
    if (argc == 5 && strcmp(argv[1], "infer") == 0) {
        return infer(argv[2], argv[3], argv[4]);
    }
    if (argc == 5 && strcmp(argv[1], "features") == 0) {
        return features(argv[2], argv[3], argv[4]);
    }
    if (argc == 5 && strcmp(argv[1], "clips") == 0) {
        return clips(argv[2], argv[3], argv[4]);
    }
    if (argc == 5 && strcmp(argv[1], "stream") == 0) {
        return stream(argv[2], argv[3], argv[4]);
    }
    return fail("usage", "infer MODEL INPUTS OUTPUTS, features FRONTEND SAMPLES FRAMES, "
                         "clips FRONTEND SAMPLES FEATURES, or stream MODEL SAMPLES SCORES");
}
