/* The whole application on this machine: FreeRTOS tasks are threads, sockets
 * are this machine's, the flash is a file mapped at the chip's address, the
 * microphone hears silence, a watchdog that is not fed ends the process. Time
 * runs SPEED times as fast as on a board.
 *
 *   simulator FLASH.bin [deaf]     deaf: the microphone never delivers a block
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "FreeRTOS.h"
#include "cy_retarget_io.h"
#include "cy_secure_sockets.h"
#include "cy_tls.h"
#include "cy_wcm.h"
#include "cybsp.h"
#include "semphr.h"
#include "task.h"

enum { SPEED = 10, FLASH_START = 0x10000000, FLASH_SIZE = 0x200000, PAGE = 512, BITTEN = 7 };

int port_main(void);

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) * SPEED;
}

static void sleep_ms(uint64_t ms)
{
    (void)usleep((useconds_t)(ms * 1000 / SPEED));
}

/* --- FreeRTOS --- */

/* Held by an interrupt and in a critical section. */
static pthread_mutex_t interrupts = PTHREAD_MUTEX_INITIALIZER;

struct thin_semaphore {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};

typedef struct {
    TaskFunction_t code;
    void *argument;
} start;

static void *run_task(void *argument)
{
    const start *s = argument;

    s->code(s->argument);
    return NULL;
}

TaskHandle_t xTaskCreateStatic(TaskFunction_t code, const char *name, uint32_t stack_depth, void *argument,
                               UBaseType_t priority, StackType_t *stack, StaticTask_t *task)
{
    start *s = malloc(sizeof *s);
    pthread_t thread;

    (void)name;
    (void)priority;
    (void)stack;
    s->code = code;
    s->argument = argument;
    (void)pthread_create(&thread, NULL, run_task, s);
    return stack_depth > 0 ? (TaskHandle_t)(void *)task : NULL;
}

void vTaskStartScheduler(void)
{
    for (;;) {
        (void)pause();
    }
}

void vTaskDelay(TickType_t ticks)
{
    sleep_ms(ticks);
}

void vTaskSuspend(TaskHandle_t task)
{
    (void)task;
    for (;;) {
        (void)pause();
    }
}

TickType_t xTaskGetTickCount(void)
{
    return (TickType_t)now_ms();
}

void taskENTER_CRITICAL(void)
{
    (void)pthread_mutex_lock(&interrupts);
}

void taskEXIT_CRITICAL(void)
{
    (void)pthread_mutex_unlock(&interrupts);
}

void taskDISABLE_INTERRUPTS(void)
{
}

void thin_yield_from_isr(BaseType_t woken)
{
    (void)woken;
}

void thin_assert_failed(void)
{
    abort();
}

void __enable_irq(void)
{
}

static SemaphoreHandle_t make_semaphore(int count)
{
    SemaphoreHandle_t s = malloc(sizeof *s);

    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    s->count = count;
    return s;
}

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *memory)
{
    (void)memory;
    return make_semaphore(1);
}

SemaphoreHandle_t xSemaphoreCreateBinaryStatic(StaticSemaphore_t *memory)
{
    (void)memory;
    return make_semaphore(0);
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->count = 1;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    return pdTRUE;
}

BaseType_t xSemaphoreGiveFromISR(SemaphoreHandle_t s, BaseType_t *woken)
{
    *woken = pdTRUE;
    return xSemaphoreGive(s);
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t s, TickType_t ticks)
{
    struct timespec until;
    BaseType_t taken;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    /* A loaded machine may be late, a board's timer is not. */
    until.tv_sec += ticks == portMAX_DELAY ? 3600 : 5;
    (void)pthread_mutex_lock(&s->lock);
    while (s->count == 0 && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) {
    }
    taken = s->count == 1 ? pdTRUE : pdFALSE;
    s->count = 0;
    (void)pthread_mutex_unlock(&s->lock);
    return taken;
}

/* --- The board --- */

const cyhal_clock_t CYHAL_CLOCK_PLL[2];
const cyhal_clock_t CYHAL_CLOCK_HF[6];

cy_rslt_t cybsp_init(void)
{
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cy_retarget_io_init(cyhal_gpio_t tx, cyhal_gpio_t rx, uint32_t baud)
{
    return tx != rx && baud == 115200 ? CY_RSLT_SUCCESS : 1;
}

cyhal_reset_reason_t cyhal_system_get_reset_reason(void)
{
    return (cyhal_reset_reason_t)0;
}

void cyhal_system_clear_reset_reason(void)
{
}

cy_rslt_t cyhal_pwm_init(cyhal_pwm_t *pwm, cyhal_gpio_t pin, const cyhal_clock_t *clock)
{
    (void)pwm;
    (void)pin;
    (void)clock;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pwm_set_duty_cycle(cyhal_pwm_t *pwm, float percent, uint32_t hz)
{
    (void)pwm;
    (void)percent;
    (void)hz;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pwm_start(cyhal_pwm_t *pwm)
{
    (void)pwm;
    return CY_RSLT_SUCCESS;
}

static volatile uint64_t bites_at;

static void *watch(void *argument)
{
    (void)argument;
    for (;;) {
        sleep_ms(100);
        if (now_ms() > bites_at) {
            (void)printf("watchdog\n");
            (void)fflush(stdout);
            _exit(BITTEN);
        }
    }
}

static uint32_t watchdog_ms;

void cyhal_wdt_kick(cyhal_wdt_t *watchdog)
{
    (void)watchdog;
    /* SPEED times longer than a board's: this machine is not a real-time system. */
    bites_at = now_ms() + (uint64_t)watchdog_ms * SPEED;
}

cy_rslt_t cyhal_wdt_init(cyhal_wdt_t *watchdog, uint32_t timeout_ms)
{
    pthread_t thread;

    watchdog_ms = timeout_ms;
    cyhal_wdt_kick(watchdog);
    (void)pthread_create(&thread, NULL, watch, NULL);
    return timeout_ms > 0 && timeout_ms <= 6000 ? CY_RSLT_SUCCESS : 1;
}

/* --- Flash --- */

static uint8_t *const flash = (uint8_t *)(uintptr_t)FLASH_START;
static const cyhal_flash_block_info_t block = {FLASH_START, FLASH_SIZE, PAGE, 0};

cy_rslt_t cyhal_flash_init(cyhal_flash_t *device)
{
    (void)device;
    return CY_RSLT_SUCCESS;
}

void cyhal_flash_get_info(const cyhal_flash_t *device, cyhal_flash_info_t *info)
{
    (void)device;
    info->block_count = 1;
    info->blocks = &block;
}

cy_rslt_t cyhal_flash_read(cyhal_flash_t *device, uint32_t address, uint8_t *data, size_t size)
{
    (void)device;
    memcpy(data, flash + (address - FLASH_START), size);
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_flash_erase(cyhal_flash_t *device, uint32_t address)
{
    (void)device;
    if (address % PAGE != 0) {
        return 1;
    }
    memset(flash + (address - FLASH_START), 0, PAGE);
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_flash_program(cyhal_flash_t *device, uint32_t address, const uint32_t *data)
{
    const uint8_t *page = flash + (address - FLASH_START);
    size_t i;

    (void)device;
    for (i = 0; i < PAGE; i++) {
        if (address % PAGE != 0 || page[i] != 0) {
            return 1;
        }
    }
    memcpy(flash + (address - FLASH_START), data, PAGE);
    return CY_RSLT_SUCCESS;
}

static void map_flash(const char *path)
{
    const int file = open(path, O_RDWR | O_CREAT, 0600);

    if (file < 0 || ftruncate(file, FLASH_SIZE) != 0 ||
        mmap(flash, FLASH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) != flash) {
        perror(path);
        exit(2);
    }
}

/* --- The microphone --- */

static bool deaf;
static cyhal_pdm_pcm_event_callback_t callback;
static int16_t *volatile destination;
static volatile size_t wanted;

static void *play(void *argument)
{
    (void)argument;
    for (;;) {
        sleep_ms(20);
        (void)pthread_mutex_lock(&interrupts);
        if (destination != NULL && !deaf) {
            memset(destination, 0, wanted * sizeof *destination);
            destination = NULL;
            callback(NULL, CYHAL_PDM_PCM_ASYNC_COMPLETE);
        }
        (void)pthread_mutex_unlock(&interrupts);
    }
    return NULL;
}

cy_rslt_t cyhal_clock_reserve(cyhal_clock_t *clock, const cyhal_clock_t *source)
{
    *clock = *source;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_clock_set_frequency(cyhal_clock_t *clock, uint32_t hz, const cyhal_clock_tolerance_t *tolerance)
{
    (void)clock;
    (void)hz;
    (void)tolerance;
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
    (void)enabled;
    (void)wait_for_lock;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pdm_pcm_init(cyhal_pdm_pcm_t *converter, cyhal_gpio_t data, cyhal_gpio_t clock_pin,
                             const cyhal_clock_t *clock, const cyhal_pdm_pcm_cfg_t *settings)
{
    (void)converter;
    (void)data;
    (void)clock_pin;
    (void)clock;
    return settings->sample_rate == 16000 ? CY_RSLT_SUCCESS : 1;
}

void cyhal_pdm_pcm_register_callback(cyhal_pdm_pcm_t *converter, cyhal_pdm_pcm_event_callback_t function, void *context)
{
    (void)converter;
    (void)context;
    callback = function;
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
    pthread_t thread;

    (void)converter;
    return pthread_create(&thread, NULL, play, NULL) == 0 ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cyhal_pdm_pcm_read_async(cyhal_pdm_pcm_t *converter, void *data, size_t length)
{
    (void)converter;
    wanted = length;
    destination = data;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pdm_pcm_abort_async(cyhal_pdm_pcm_t *converter)
{
    (void)converter;
    destination = NULL;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cyhal_pdm_pcm_clear(cyhal_pdm_pcm_t *converter)
{
    (void)converter;
    return CY_RSLT_SUCCESS;
}

/* --- The network --- */

cy_rslt_t cy_wcm_init(cy_wcm_config_t *config)
{
    (void)config;
    return CY_RSLT_SUCCESS;
}

cy_rslt_t cy_wcm_connect_ap(cy_wcm_connect_params_t *network, cy_wcm_ip_address_t *address)
{
    address->ip.v4 = htonl(INADDR_LOOPBACK);
    return strcmp((const char *)network->ap_credentials.SSID, "net") == 0 ? CY_RSLT_SUCCESS : 1;
}

uint8_t cy_wcm_is_connected_to_ap(void)
{
    return 0;
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
    const int s = socket(AF_INET, SOCK_STREAM, 0);

    *handle = (void *)(intptr_t)s;
    return s >= 0 && domain == 2 && type == 1 && protocol == CY_SOCKET_IPPROTO_TCP ? CY_RSLT_SUCCESS : 1;
}

static int of(cy_socket_t handle)
{
    return (int)(intptr_t)handle;
}

cy_rslt_t cy_socket_setsockopt(cy_socket_t handle, int level, int option, const void *value, uint32_t size)
{
    struct timeval timeout = {0, 0};
    uint32_t ms;

    if (level != CY_SOCKET_SOL_SOCKET || size != sizeof ms) {
        return 1;
    }
    memcpy(&ms, value, sizeof ms);
    timeout.tv_sec = ms / 1000; /* not sped up: the server is not either */
    timeout.tv_usec = ms % 1000 * 1000;
    return setsockopt(of(handle), SOL_SOCKET, option == CY_SOCKET_SO_RCVTIMEO ? SO_RCVTIMEO : SO_SNDTIMEO, &timeout,
                      sizeof timeout) == 0
               ? CY_RSLT_SUCCESS
               : 1;
}

cy_rslt_t cy_socket_gethostbyname(const char *name, cy_socket_ip_version_t version, cy_socket_ip_address_t *address)
{
    address->version = version;
    return inet_pton(AF_INET, name, &address->ip) == 1 ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cy_socket_connect(cy_socket_t handle, cy_socket_sockaddr_t *address, uint32_t size)
{
    struct sockaddr_in to;

    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(address->port);
    to.sin_addr.s_addr = address->ip_address.ip;
    return size == sizeof *address && connect(of(handle), (struct sockaddr *)&to, sizeof to) == 0 ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cy_socket_send(cy_socket_t handle, const void *data, uint32_t size, int flags, uint32_t *sent)
{
    const ssize_t n = send(of(handle), data, size, MSG_NOSIGNAL);

    (void)flags;
    *sent = n > 0 ? (uint32_t)n : 0;
    return n > 0 ? CY_RSLT_SUCCESS : CY_RSLT_MODULE_SECURE_SOCKETS_CLOSED;
}

cy_rslt_t cy_socket_recv(cy_socket_t handle, void *data, uint32_t size, int flags, uint32_t *received)
{
    const ssize_t n = recv(of(handle), data, size, 0);

    (void)flags;
    *received = n > 0 ? (uint32_t)n : 0;
    return n > 0    ? CY_RSLT_SUCCESS
           : n == 0 ? CY_RSLT_MODULE_SECURE_SOCKETS_CLOSED
                    : CY_RSLT_MODULE_SECURE_SOCKETS_TIMEOUT;
}

cy_rslt_t cy_socket_disconnect(cy_socket_t handle, uint32_t timeout_ms)
{
    (void)timeout_ms;
    return shutdown(of(handle), SHUT_RDWR) == 0 ? CY_RSLT_SUCCESS : 1;
}

cy_rslt_t cy_socket_delete(cy_socket_t handle)
{
    return close(of(handle)) == 0 ? CY_RSLT_SUCCESS : 1;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return 2;
    }
    map_flash(argv[1]);
    deaf = argc > 2;
    return port_main();
}
