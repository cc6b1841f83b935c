/* Stand-ins for the vendor's calls, for tests on this machine: they note what
 * they are told, do what the test has set, and are stricter than a chip. */
#include <string.h>

#include "FreeRTOS.h"
#include "cy_secure_sockets.h"
#include "cy_tls.h"
#include "cybsp.h"
#include "semphr.h"
#include "task.h"

const cyhal_clock_t CYHAL_CLOCK_PLL[2];
const cyhal_clock_t CYHAL_CLOCK_HF[6];

/* --- FreeRTOS: one thread, time goes on when it waits --- */

uint32_t fake_ticks;

void taskENTER_CRITICAL(void)
{
}

void taskEXIT_CRITICAL(void)
{
}

TickType_t xTaskGetTickCount(void)
{
    return fake_ticks;
}

void vTaskDelay(TickType_t ticks)
{
    fake_ticks += ticks;
}

static int semaphore_given;

SemaphoreHandle_t xSemaphoreCreateBinaryStatic(StaticSemaphore_t *memory)
{
    semaphore_given = 0;
    return (SemaphoreHandle_t)(void *)memory;
}

BaseType_t xSemaphoreGiveFromISR(SemaphoreHandle_t semaphore, BaseType_t *woken)
{
    (void)semaphore;
    semaphore_given = 1;
    *woken = pdTRUE;
    return pdTRUE;
}

int fake_yields;

void thin_yield_from_isr(BaseType_t woken)
{
    fake_yields += woken ? 1 : 0;
}

/* --- PDM/PCM: the test plays the microphone --- */

static cyhal_pdm_pcm_event_callback_t callback;
static void *callback_context;
static int16_t *destination; /* of the read that is under way */
static size_t wanted;
cyhal_pdm_pcm_cfg_t fake_microphone_settings;
int fake_refused_reads; /* so many of the next reads fail */
int fake_restarts;
int fake_microphone_heals; /* a restart brings a block of this value */

cy_rslt_t cyhal_clock_reserve(cyhal_clock_t *clock, const cyhal_clock_t *source)
{
    *clock = *source;
    return CY_RSLT_SUCCESS;
}

uint32_t fake_audio_hz;

cy_rslt_t cyhal_clock_set_frequency(cyhal_clock_t *clock, uint32_t hz, const cyhal_clock_tolerance_t *tolerance)
{
    (void)clock;
    (void)tolerance;
    fake_audio_hz = hz;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_clock_set_source(cyhal_clock_t *clock, const cyhal_clock_t *source)
{
    (void)clock;
    (void)source;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_clock_set_enabled(cyhal_clock_t *clock, bool enabled, bool wait_for_lock)
{
    (void)clock;
    return enabled && wait_for_lock ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cyhal_pdm_pcm_init(cyhal_pdm_pcm_t *converter, cyhal_gpio_t data, cyhal_gpio_t clock_pin,
                             const cyhal_clock_t *clock, const cyhal_pdm_pcm_cfg_t *settings)
{
    (void)converter;
    (void)clock;
    fake_microphone_settings = *settings;
    destination = NULL;
    return data == 5 && clock_pin == 4 ? CY_RSLT_SUCCESS : 1;
}

void cyhal_pdm_pcm_register_callback(cyhal_pdm_pcm_t *converter, cyhal_pdm_pcm_event_callback_t function, void *context)
{
    (void)converter;
    callback = function;
    callback_context = context;
}

void cyhal_pdm_pcm_enable_event(cyhal_pdm_pcm_t *converter, cyhal_pdm_pcm_event_t event, uint8_t priority, bool enable)
{
    (void)converter;
    (void)event;
    (void)priority;
    (void)enable;
}

cy_rslt_t cyhal_pdm_pcm_start(cyhal_pdm_pcm_t *converter)
{
    (void)converter;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pdm_pcm_read_async(cyhal_pdm_pcm_t *converter, void *data, size_t length)
{
    (void)converter;
    if (destination != NULL || fake_refused_reads > 0) {
        fake_refused_reads -= fake_refused_reads > 0 ? 1 : 0;
        return 1;
    }
    destination = data;
    wanted = length;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pdm_pcm_abort_async(cyhal_pdm_pcm_t *converter)
{
    (void)converter;
    destination = NULL;
    fake_restarts++;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pdm_pcm_clear(cyhal_pdm_pcm_t *converter)
{
    (void)converter;
    return CY_RSLT_SUCCESS;
}

/* Fills the block that is wanted and raises the event; how many samples it took. */
size_t fake_microphone_play(const int16_t *samples, size_t count)
{
    size_t n = wanted;

    if (destination == NULL || count < n) {
        return 0;
    }
    memcpy(destination, samples, n * sizeof *samples);
    destination = NULL;
    callback(callback_context, CYHAL_PDM_PCM_ASYNC_COMPLETE);
    return n;
}

void fake_microphone_overflow(void)
{
    callback(callback_context, CYHAL_PDM_PCM_RX_OVERFLOW);
}

/* Waiting in vain takes its time; then the test may let the microphone heal. */
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks)
{
    static int16_t block[4096];
    size_t i;

    (void)semaphore;
    if (semaphore_given) {
        semaphore_given = 0;
        return pdTRUE;
    }
    fake_ticks += ticks;
    if (fake_restarts > 0 && fake_microphone_heals != 0) {
        for (i = 0; i < sizeof block / sizeof *block; i++) {
            block[i] = (int16_t)fake_microphone_heals;
        }
        (void)fake_microphone_play(block, sizeof block / sizeof *block);
    }
    if (semaphore_given) {
        semaphore_given = 0;
        return pdTRUE;
    }
    return pdFALSE;
}

/* --- PWM --- */

float fake_led_duty;

cy_rslt_t cyhal_pwm_init(cyhal_pwm_t *pwm, cyhal_gpio_t pin, const cyhal_clock_t *clock)
{
    (void)pwm;
    (void)clock;
    return pin == CYBSP_USER_LED ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cyhal_pwm_set_duty_cycle(cyhal_pwm_t *pwm, float percent, uint32_t hz)
{
    (void)pwm;
    fake_led_duty = percent;
    return percent >= 0.0f && percent <= 100.0f && hz > 0 ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cyhal_pwm_start(cyhal_pwm_t *pwm)
{
    (void)pwm;
    return CY_RSLT_SUCCESS;
}

/* --- Flash: 2 MB at 0x10000000; a page must be erased before it is programmed;
 * the power can be cut in an operation, which is then half done --- */

enum { FLASH_START = 0x10000000, FLASH_SIZE = 0x200000, PAGE = 512 };

uint8_t fake_flash[FLASH_SIZE];
cyhal_flash_block_info_t fake_flash_block = {FLASH_START, FLASH_SIZE, PAGE, 0};

int fake_flash_operations; /* erases and programs so far */
int fake_flash_cut;        /* the power fails in the operation of this number; 0: never */

/* How much of a page the next operation does. */
static size_t powered(size_t size)
{
    fake_flash_operations++;
    return fake_flash_cut == 0 || fake_flash_operations < fake_flash_cut ? size
           : fake_flash_operations == fake_flash_cut                     ? size / 2
                                                                         : 0;
}

cy_rslt_t cyhal_flash_init(cyhal_flash_t *flash)
{
    (void)flash;
    return CY_RSLT_SUCCESS;
}

void cyhal_flash_get_info(const cyhal_flash_t *flash, cyhal_flash_info_t *info)
{
    (void)flash;
    info->block_count = 1;
    info->blocks = &fake_flash_block;
}

cy_rslt_t cyhal_flash_read(cyhal_flash_t *flash, uint32_t address, uint8_t *data, size_t size)
{
    (void)flash;
    if (address < FLASH_START || address - FLASH_START + size > FLASH_SIZE) {
        return 1;
    }
    memcpy(data, fake_flash + (address - FLASH_START), size);
    return CY_RSLT_SUCCESS;
}

static bool is_page(uint32_t address)
{
    return address >= FLASH_START && address < FLASH_START + FLASH_SIZE && address % PAGE == 0;
}

cy_rslt_t cyhal_flash_erase(cyhal_flash_t *flash, uint32_t address)
{
    size_t n;

    (void)flash;
    if (!is_page(address)) {
        return 1;
    }
    n = powered(PAGE);
    memset(fake_flash + (address - FLASH_START), 0, n);
    return n == PAGE ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cyhal_flash_program(cyhal_flash_t *flash, uint32_t address, const uint32_t *data)
{
    uint8_t *page = fake_flash + (address - FLASH_START);
    size_t i;

    (void)flash;
    if (!is_page(address) || (uintptr_t)data % 4 != 0) {
        return 1;
    }
    for (i = 0; i < PAGE; i++) {
        if (page[i] != 0) {
            return 1;
        }
    }
    i = powered(PAGE);
    memcpy(page, data, i);
    return i == PAGE ? CY_RSLT_SUCCESS : 1;
}

/* --- Sockets: one connection; the test says how it ends --- */

static int socket_object;
static int open_sockets;
int fake_socket_protocol;
int fake_server_name_was_set;
uint32_t fake_receive_timeout;
uint32_t fake_most_bytes; /* that a call takes or gives; 0: the peer has closed */
cy_rslt_t fake_connect_result;
cy_rslt_t fake_receive_result;
uint8_t fake_sent[4096];
uint32_t fake_sent_bytes;

int fake_open_sockets(void)
{
    return open_sockets;
}

cy_rslt_t cy_socket_init(void)
{
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cy_tls_load_global_root_ca_certificates(const char *certificates, const uint32_t length)
{
    return strlen(certificates) == length ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cy_socket_create(int domain, int type, int protocol, cy_socket_t *handle)
{
    fake_socket_protocol = protocol;
    fake_server_name_was_set = 0;
    fake_sent_bytes = 0;
    open_sockets++;
    *handle = &socket_object;
    return domain == CY_SOCKET_DOMAIN_AF_INET && type == CY_SOCKET_TYPE_STREAM ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cy_socket_setsockopt(cy_socket_t handle, int level, int option, const void *value, uint32_t size)
{
    (void)handle;
    if (level == CY_SOCKET_SOL_SOCKET && option == CY_SOCKET_SO_RCVTIMEO && size == 4) {
        memcpy(&fake_receive_timeout, value, 4);
    }
    if (level == CY_SOCKET_SOL_TLS && option == CY_SOCKET_SO_SERVER_NAME_INDICATION) {
        fake_server_name_was_set = size == 12 && memcmp(value, "example.test", 12) == 0;
    }
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cy_socket_gethostbyname(const char *name, cy_socket_ip_version_t version, cy_socket_ip_address_t *address)
{
    address->version = version;
    return strcmp(name, "example.test") == 0 ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cy_socket_connect(cy_socket_t handle, cy_socket_sockaddr_t *address, uint32_t size)
{
    (void)handle;
    return size == sizeof *address ? fake_connect_result : 1;
}

cy_rslt_t cy_socket_send(cy_socket_t handle, const void *data, uint32_t size, int flags, uint32_t *sent)
{
    (void)handle;
    (void)flags;
    if (fake_most_bytes == 0) {
        return CY_RSLT_MODULE_SECURE_SOCKETS_CLOSED;
    }
    *sent = size < fake_most_bytes ? size : fake_most_bytes;
    memcpy(fake_sent + fake_sent_bytes, data, *sent);
    fake_sent_bytes += *sent;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cy_socket_recv(cy_socket_t handle, void *data, uint32_t size, int flags, uint32_t *received)
{
    (void)handle;
    (void)flags;
    *received = size < fake_most_bytes ? size : fake_most_bytes;
    memset(data, 'x', *received);
    return fake_receive_result;
}

cy_rslt_t cy_socket_disconnect(cy_socket_t handle, uint32_t timeout_ms)
{
    (void)handle;
    (void)timeout_ms;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cy_socket_delete(cy_socket_t handle)
{
    open_sockets -= handle == &socket_object ? 1 : 0;
    return CY_RSLT_SUCCESS;
}
