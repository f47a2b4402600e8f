// What Rust calls. RandomX's own interface makes a cache's memory and its programs from one key; here a *view* lets
// them differ, so that a whole network shares one memory and each unit has programs of its own.
//
// A view is a `randomx_cache` whose memory is that of another cache, and whose programs come from a seed of its own.
// Everything RandomX does with a cache after it is made (compile its programs, make items of a dataset, hash) reads
// the memory and never writes it, so any number of views may stand over one memory, on any number of threads.
//
// Nothing here throws: what fails gives null or false.

#include "dataset.hpp"
#include "jit_compiler.hpp"
#include "randomx.h"
#include "reciprocal.h"
#include "superscalar.hpp"

#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <sys/mman.h>

namespace {

constexpr uintptr_t HugePage = uintptr_t{1} << 21;

// Asks for huge pages: half as many cycles are lost to looking up addresses. A system that has none, or does not want
// to give them, changes nothing. RandomX's own flag would need pages that an administrator has set aside.
void advise(void* memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + HugePage - 1) & ~(HugePage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) & ~(HugePage - 1);
  if (begin < end) {
    (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
#else
  (void)memory;
  (void)bytes;
#endif
}

// Whether the system lets a page with these rights be made of one that could be written.
bool may_have(int rights) {
  constexpr size_t Page = 4096;
  void* page = mmap(nullptr, Page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return false;
  }
  const bool may = mprotect(page, Page, rights) == 0;
  (void)munmap(page, Page);
  return may;
}

// Whoever makes a machine holds this: RandomX tries an AES instruction then, on one variable for all.
std::mutex making;

// Frees what a view owns: never the memory, which is another cache's.
void release_view(randomx_cache* view) { delete view->jit; }

}  // namespace

extern "C" {

// What this machine and system can do. RandomX does not notice when a system forbids pages to be written and
// executed at once, or to be executed at all, and would crash: the first means W^X, the second the interpreter.
int mp_flags() noexcept {
  int flags = static_cast<int>(randomx_get_flags());
  if ((flags & RANDOMX_FLAG_JIT) != 0) {
    if (!may_have(PROT_READ | PROT_EXEC)) {
      flags &= ~static_cast<int>(RANDOMX_FLAG_JIT | RANDOMX_FLAG_SECURE);
    } else if (!may_have(PROT_READ | PROT_WRITE | PROT_EXEC)) {
      flags |= RANDOMX_FLAG_SECURE;
    }
  }
  return flags;
}

// A cache that is ready: 256 MiB and some tenths of a second.
randomx_cache* mp_cache_new(int flags, const uint8_t* key, size_t length) noexcept {
  randomx_cache* cache = nullptr;
  try {
    cache = randomx_alloc_cache(static_cast<randomx_flags>(flags));
    if (cache != nullptr) {
      advise(cache->memory, randomx::CacheSize);
      randomx_init_cache(cache, key, length);
    }
    return cache;
  } catch (...) {
    if (cache != nullptr) {
      randomx_release_cache(cache);
    }
    return nullptr;
  }
}

// Frees a cache or a view.
void mp_cache_free(randomx_cache* cache) noexcept { randomx_release_cache(cache); }

// A view over nothing, with no programs: to be seeded before it is used.
randomx_cache* mp_view_new(int flags) noexcept {
  randomx_cache* view = nullptr;
  try {
    view = new randomx_cache();
    view->dealloc = &release_view;
    // Only `randomx_init_cache` calls it, which nobody calls on a view.
    view->initialize = nullptr;
    view->argonImpl = nullptr;
    view->jit = nullptr;
    view->datasetInit = &randomx::initDataset;
    if ((flags & RANDOMX_FLAG_JIT) != 0) {
      view->jit = new randomx::JitCompiler();
      view->datasetInit = view->jit->getDatasetInitFunc();
    }
    return view;
  } catch (...) {
    delete view;
    return nullptr;
  }
}

// Puts the view over the memory of `cache` and gives it the programs of `seed`. With the seed equal to the cache's key
// the view is that cache, bit for bit. The view must not be in use meanwhile.
bool mp_view_seed(randomx_cache* view, const randomx_cache* cache, const uint8_t* seed, size_t length) noexcept {
  try {
    view->memory = cache->memory;
    view->reciprocalCache.clear();
    randomx::Blake2Generator generator(seed, length);
    for (auto& program : view->programs) {
      randomx::generateSuperscalar(program, generator);
      // The programs divide by constants; the machine multiplies by their reciprocals, and an instruction holds the
      // place of its own in this list.
      for (uint32_t at = 0; at < program.getSize(); ++at) {
        auto& instruction = program(static_cast<int>(at));
        if (instruction.opcode == static_cast<uint8_t>(randomx::SuperscalarInstructionType::IMUL_RCP)) {
          const uint64_t reciprocal = randomx_reciprocal(instruction.getImm32());
          instruction.setImm32(static_cast<uint32_t>(view->reciprocalCache.size()));
          view->reciprocalCache.push_back(reciprocal);
        }
      }
    }
    if (view->jit != nullptr) {
      view->jit->enableWriting();
      view->jit->generateSuperscalarHash(view->programs, view->reciprocalCache);
      view->jit->generateDatasetInitCode();
      view->jit->enableExecution();
    }
    // A machine holds compiled programs of its own. When it is given a cache it compares this key and the memory with
    // those it knows, and does nothing if both are the same. The memory *is* the same for all units, so without
    // another key here the machine would go on with the programs of the unit before, and say nothing.
    view->cacheKey.assign(reinterpret_cast<const char*>(seed), length);
    return true;
  } catch (...) {
    return false;
  }
}

// A machine that makes each item it reads of the dataset itself, from a cache or a seeded view.
randomx_vm* mp_vm_light(int flags, randomx_cache* cache) noexcept {
  try {
    const std::lock_guard<std::mutex> guard(making);
    return randomx_create_vm(static_cast<randomx_flags>(flags), cache, nullptr);
  } catch (...) {
    return nullptr;
  }
}

// A machine that reads a dataset that somebody has filled.
randomx_vm* mp_vm_full(int flags, randomx_dataset* dataset) noexcept {
  try {
    const std::lock_guard<std::mutex> guard(making);
    return randomx_create_vm(static_cast<randomx_flags>(flags | RANDOMX_FLAG_FULL_MEM), nullptr, dataset);
  } catch (...) {
    return nullptr;
  }
}

// Gives a machine the programs that `cache` has now.
bool mp_vm_set_cache(randomx_vm* vm, randomx_cache* cache) noexcept {
  try {
    randomx_vm_set_cache(vm, cache);
    return true;
  } catch (...) {
    return false;
  }
}

void mp_vm_free(randomx_vm* vm) noexcept { randomx_destroy_vm(vm); }

// `output` has 32 bytes.
void mp_hash(randomx_vm* vm, const uint8_t* input, size_t length, uint8_t* output) noexcept {
  randomx_calculate_hash(vm, input, length, output);
}

// Memory for a dataset, nothing in it: 2.03 GiB.
randomx_dataset* mp_dataset_new() noexcept {
  randomx_dataset* dataset = randomx_alloc_dataset(RANDOMX_FLAG_DEFAULT);
  if (dataset != nullptr) {
    advise(dataset->memory, randomx::DatasetSize);
  }
  return dataset;
}

uint64_t mp_dataset_items() noexcept { return randomx_dataset_item_count(); }

// Makes `count` items, `first` and those after it. Several threads may fill one dataset from one cache or view, each
// other items.
void mp_dataset_fill(randomx_dataset* dataset, randomx_cache* cache, uint64_t first, uint64_t count) noexcept {
  randomx_init_dataset(dataset, cache, first, count);
}

// Whether the items are what `fill` would make of them: memory without error correction forgets.
bool mp_dataset_holds(const randomx_dataset* dataset, randomx_cache* cache, uint64_t item) noexcept {
  uint8_t expected[randomx::CacheLineSize];
  randomx::initDatasetItem(cache, expected, item);
  return memcmp(expected, dataset->memory + item * randomx::CacheLineSize, sizeof expected) == 0;
}

void mp_dataset_free(randomx_dataset* dataset) noexcept { randomx_release_dataset(dataset); }

}  // extern "C"
