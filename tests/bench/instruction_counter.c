// A plugin for qemu 7.2's user emulator: prints the instructions that a program executed between
// its functions heed_count_begin and heed_count_end, after whatever it wrote before the second, and
// with "top=N" the N basic blocks that most of them belong to. For programs of one thread, not
// stripped. Built by count_instructions.sh.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct block {
  uint64_t address, instructions, runs;
  char* symbol;
  struct block* next;
};
static struct block* blocks;
static size_t top;

static uint64_t cost(const struct block* b) { return b->instructions * b->runs; }

static int by_cost(const void* a, const void* b) {
  const uint64_t x = cost(*(struct block*const*)a), y = cost(*(struct block*const*)b);
  return x < y ? 1 : x > y ? -1 : 0;
}

static void print(const char* text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0) abort();
}

static void begin(unsigned cpu, void* unused) {
  (void)cpu, (void)unused;
  for (struct block* b = blocks; b != NULL; b = b->next) b->runs = 0;
}

static void end(unsigned cpu, void* unused) {
  (void)cpu, (void)unused;
  char line[256];
  uint64_t total = 0;
  size_t count = 0;
  for (struct block* b = blocks; b != NULL; b = b->next, ++count) total += cost(b);
  snprintf(line, sizeof(line), " %" PRIu64 " instructions\n", total);
  print(line);
  if (top == 0) return;
  struct block** const all = malloc(count * sizeof(*all));
  if (all == NULL) abort();
  size_t i = 0;
  for (struct block* b = blocks; b != NULL; b = b->next) all[i++] = b;
  qsort(all, count, sizeof(*all), by_cost);
  for (i = 0; i < top && i < count && all[i]->runs != 0; ++i) {
    snprintf(line, sizeof(line),
             "%12" PRIu64 " = %" PRIu64 " x %" PRIu64 " at %" PRIx64 " %.120s\n", cost(all[i]),
             all[i]->instructions, all[i]->runs, all[i]->address, all[i]->symbol);
    print(line);
  }
  free(all);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  struct block* const b = calloc(1, sizeof(*b));
  const char* const symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
  if (b == NULL || (b->symbol = strdup(symbol != NULL ? symbol : "")) == NULL) abort();
  b->address = qemu_plugin_tb_vaddr(tb);
  b->instructions = qemu_plugin_tb_n_insns(tb);
  b->next = blocks;
  blocks = b;
  if (strcmp(b->symbol, "heed_count_begin") == 0) {
    qemu_plugin_register_vcpu_tb_exec_cb(tb, begin, QEMU_PLUGIN_CB_NO_REGS, NULL);
  } else if (strcmp(b->symbol, "heed_count_end") == 0) {
    qemu_plugin_register_vcpu_tb_exec_cb(tb, end, QEMU_PLUGIN_CB_NO_REGS, NULL);
  }
  qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &b->runs, 1);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int argc,
                                           char** argv) {
  (void)info;
  for (int i = 0; i < argc; ++i) {
    if (strncmp(argv[i], "top=", 4) == 0) top = strtoul(argv[i] + 4, NULL, 10);
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
