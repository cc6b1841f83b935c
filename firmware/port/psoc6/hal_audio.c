#include "FreeRTOS.h"
#include "app/ring.h"
#include "cyhal.h"
#include "es_port.h"
#include "semphr.h"

/* Two blocks of 20 ms: one is filled while the other is copied. A block is
 * larger than the converter's FIFO of 254 samples, so a read that is begun in
 * the callback never ends there and calls it again. */
#define BLOCK_SAMPLES 320u

/* 0.5 s, for the times when a packet or a row of flash comes first. */
#define RING_SAMPLES 8192u

/* Without a block for so long, the microphone is started again; if that does
 * not help, the watchdog restarts the board. */
#define SILENT_MS 500u

/* 16 kHz is an exact part of it. */
#define AUDIO_CLOCK_HZ 24576000u
#define DECIMATION 64u

static struct {
    cyhal_pdm_pcm_t converter;
    cyhal_clock_t pll;
    cyhal_clock_t clock;
    StaticSemaphore_t memory;
    SemaphoreHandle_t filled;
    es_ring ring;
    volatile uint32_t overflows; /* of the converter's FIFO */
    uint32_t told;               /* of those */
    uint8_t filling;             /* the block that the converter writes */
    int16_t block[2][BLOCK_SAMPLES];
    int16_t samples[RING_SAMPLES];
} microphone;

static void amplify(int16_t *samples, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        const int32_t louder = samples[i] * ES_MICROPHONE_FACTOR;

        samples[i] = (int16_t)(louder > INT16_MAX ? INT16_MAX : louder < INT16_MIN ? INT16_MIN : louder);
    }
}

static bool read_block(void)
{
    return cyhal_pdm_pcm_read_async(&microphone.converter, microphone.block[microphone.filling], BLOCK_SAMPLES) ==
           CY_RSLT_SUCCESS;
}

/* In the converter's interrupt. The next block is begun first: meanwhile the
 * FIFO fills. Where that fails, the reader's wait ends and begins it. */
static void on_event(void *context, cyhal_pdm_pcm_event_t event)
{
    BaseType_t woken = pdFALSE;

    (void)context;
    if (((unsigned)event & CYHAL_PDM_PCM_RX_OVERFLOW) != 0) {
        microphone.overflows++;
    }
    if (((unsigned)event & CYHAL_PDM_PCM_ASYNC_COMPLETE) != 0) {
        int16_t *full = microphone.block[microphone.filling];

        microphone.filling ^= 1;
        (void)read_block();
        amplify(full, BLOCK_SAMPLES);
        es_ring_put(&microphone.ring, full, BLOCK_SAMPLES);
        (void)xSemaphoreGiveFromISR(microphone.filled, &woken);
    }
    portYIELD_FROM_ISR(woken);
}

static es_status read_samples(void *context, int16_t *samples, size_t count, size_t *taken, uint32_t *lost)
{
    uint32_t overflows;

    (void)context;
    for (;;) {
        *taken = es_ring_take(&microphone.ring, samples, count, lost);
        if (*taken > 0) {
            break;
        }
        if (xSemaphoreTake(microphone.filled, pdMS_TO_TICKS(SILENT_MS)) != pdTRUE) {
            (void)cyhal_pdm_pcm_abort_async(&microphone.converter);
            (void)cyhal_pdm_pcm_clear(&microphone.converter);
            (void)read_block();
        }
    }
    /* How many samples an overflow cost is not known: one at least. */
    overflows = microphone.overflows;
    *lost += overflows - microphone.told;
    microphone.told = overflows;
    return ES_OK;
}

/* The audio clock, from a PLL of its own. */
static bool start_clock(void)
{
    cyhal_clock_t *pll = &microphone.pll;
    cyhal_clock_t *clock = &microphone.clock;

    return cyhal_clock_reserve(pll, &CYHAL_CLOCK_PLL[ES_AUDIO_PLL]) == CY_RSLT_SUCCESS &&
           cyhal_clock_set_frequency(pll, AUDIO_CLOCK_HZ, NULL) == CY_RSLT_SUCCESS &&
           cyhal_clock_set_enabled(pll, true, true) == CY_RSLT_SUCCESS &&
           cyhal_clock_reserve(clock, &CYHAL_CLOCK_HF[1]) == CY_RSLT_SUCCESS &&
           cyhal_clock_set_source(clock, pll) == CY_RSLT_SUCCESS &&
           cyhal_clock_set_enabled(clock, true, true) == CY_RSLT_SUCCESS;
}

bool es_audio_open(es_audio *audio)
{
    /* One microphone on the left; the default transfer, by interrupt, is what
     * the vendor's own programs use: 128 samples each 8 ms. */
    static const cyhal_pdm_pcm_cfg_t settings = {
        .sample_rate = 16000,
        .decimation_rate = DECIMATION,
        .mode = CYHAL_PDM_PCM_MODE_LEFT,
        .word_length = 16,
        .left_gain = ES_MICROPHONE_HALF_DECIBELS,
        .right_gain = ES_MICROPHONE_HALF_DECIBELS,
    };
    const unsigned events = CYHAL_PDM_PCM_ASYNC_COMPLETE | CYHAL_PDM_PCM_RX_OVERFLOW;

    audio->context = NULL;
    audio->read = read_samples;
    es_ring_init(&microphone.ring, microphone.samples, RING_SAMPLES);
    microphone.filled = xSemaphoreCreateBinaryStatic(&microphone.memory);
    if (!start_clock() || cyhal_pdm_pcm_init(&microphone.converter, ES_PIN_PDM_DATA, ES_PIN_PDM_CLOCK,
                                             &microphone.clock, &settings) != CY_RSLT_SUCCESS) {
        return false;
    }
    cyhal_pdm_pcm_register_callback(&microphone.converter, on_event, NULL);
    cyhal_pdm_pcm_enable_event(&microphone.converter, (cyhal_pdm_pcm_event_t)events, CYHAL_ISR_PRIORITY_DEFAULT, true);
    return cyhal_pdm_pcm_start(&microphone.converter) == CY_RSLT_SUCCESS && read_block();
}

void es_audio_discard(void)
{
    int16_t samples[64];
    uint32_t lost;

    while (es_ring_take(&microphone.ring, samples, sizeof samples / sizeof *samples, &lost) > 0) {
    }
    microphone.told = microphone.overflows;
}
