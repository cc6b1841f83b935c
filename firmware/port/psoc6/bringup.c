/* The first hours of a board: one thing at a time. README.md says what each
 * step must print. */
#include "FreeRTOS.h"
#include "app/line.h"
#include "earshot_secrets.h"
#include "es_bringup_clip.h"
#include "es_port.h"
#include "task.h"

#define SECOND_MS 1000

static void pause_for(uint32_t milliseconds)
{
    vTaskDelay(pdMS_TO_TICKS(milliseconds));
}

static void say_number(const es_program *p, const char *what, uint32_t value)
{
    es_line line;

    es_line_begin(&line, &p->uart, what);
    es_line_number(&line, value);
    es_line_end(&line);
}

static void count_seconds(const es_program *p)
{
    uint32_t seconds;

    for (seconds = 0;; seconds++) {
        say_number(p, "uart", seconds);
        pause_for(SECOND_MS);
    }
}

static void show_brightness(const es_program *p)
{
    static const uint8_t shown[] = {0, 24, 255};
    size_t i;

    for (i = 0;; i++) {
        const uint8_t brightness = shown[i % sizeof shown];

        p->led.set(p->led.context, brightness);
        say_number(p, "led", brightness);
        pause_for(SECOND_MS);
    }
}

/* Each second: mean and largest absolute sample, and what was lost. */
static void measure_microphone(es_program *p)
{
    static int16_t samples[320];

    if (!es_audio_open(&p->audio)) {
        say_number(p, "error the microphone did not start, PLL", ES_AUDIO_PLL);
        return;
    }
    for (;;) {
        uint32_t heard = 0;
        uint32_t sum = 0;
        uint32_t peak = 0;
        uint32_t lost_total = 0;
        es_line line;

        while (heard < ES_FRONTEND_SAMPLE_RATE) {
            size_t taken;
            uint32_t lost;
            size_t i;

            (void)p->audio.read(p->audio.context, samples, sizeof samples / sizeof *samples, &taken, &lost);
            for (i = 0; i < taken; i++) {
                const uint32_t size = (uint32_t)(samples[i] < 0 ? -samples[i] : samples[i]);

                sum += size;
                peak = size > peak ? size : peak;
            }
            heard += (uint32_t)taken;
            lost_total += lost;
        }
        es_line_begin(&line, &p->uart, "level");
        es_line_number(&line, sum / heard);
        es_line_number(&line, peak);
        es_line_number(&line, lost_total);
        es_line_end(&line);
    }
}

static void check_features(const es_program *p)
{
    static int16_t samples[ES_BRINGUP_CLIP_SAMPLES];
    const es_frontend *f;
    size_t i;

    es_bringup_clip(samples);
    for (i = 0; (f = es_frontend_at(i)) != NULL; i++) {
        const uint64_t begin = p->clock.milliseconds(p->clock.context);
        uint32_t digest = 0;
        const bool same = es_bringup_digest(f, samples, &digest) == ES_OK && digest == es_bringup_golden(f->id());
        es_line line;

        es_line_begin(&line, &p->uart, "features");
        es_line_name(&line, ' ', f->id());
        es_line_number(&line, digest);
        es_line_text(&line, same ? " ok" : " WRONG");
        es_line_number(&line, (uint32_t)(p->clock.milliseconds(p->clock.context) - begin));
        es_line_end(&line);
    }
}

static void join_network(es_program *p)
{
    uint8_t address[4];
    es_line line;

    if (!es_wifi_connect(address)) {
        es_line_begin(&line, &p->uart, "error no connection to ");
        es_line_name(&line, ' ', ES_WIFI_SSID);
        es_line_end(&line);
        return;
    }
    es_line_begin(&line, &p->uart, "wifi");
    es_line_number(&line, address[0]);
    es_line_number(&line, address[1]);
    es_line_number(&line, address[2]);
    es_line_number(&line, address[3]);
    es_line_end(&line);
}

void es_bringup(es_program *p)
{
    say_number(p, "bringup", ES_BRINGUP);
    for (;;) {
        if (ES_BRINGUP == 1) {
            count_seconds(p);
        } else if (ES_BRINGUP == 2) {
            show_brightness(p);
        } else if (ES_BRINGUP == 3) {
            measure_microphone(p);
        } else if (ES_BRINGUP == 4) {
            check_features(p);
        } else {
            join_network(p);
        }
        pause_for(5 * SECOND_MS);
    }
}
