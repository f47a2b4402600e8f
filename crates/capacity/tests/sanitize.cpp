// Runs RandomX and our glue under sanitizers: `cargo xtask sanitize` builds this together with all of their C++ and C.
// Interpreter only: sanitizers do not see what compiled programs do. Prints what it found to be wrong, and returns 1.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>

struct randomx_cache;
struct randomx_vm;
struct randomx_dataset;

extern "C" {
int mp_flags() noexcept;
randomx_cache* mp_cache_new(int flags, const uint8_t* key, size_t length) noexcept;
void mp_cache_free(randomx_cache* cache) noexcept;
randomx_cache* mp_view_new(int flags) noexcept;
bool mp_view_seed(randomx_cache* view, const randomx_cache* cache, const uint8_t* seed, size_t length) noexcept;
randomx_vm* mp_vm_light(int flags, randomx_cache* cache) noexcept;
randomx_vm* mp_vm_full(int flags, randomx_dataset* dataset) noexcept;
bool mp_vm_set_cache(randomx_vm* vm, randomx_cache* cache) noexcept;
void mp_vm_free(randomx_vm* vm) noexcept;
void mp_hash(randomx_vm* vm, const uint8_t* input, size_t length, uint8_t* output) noexcept;
randomx_dataset* mp_dataset_new() noexcept;
uint64_t mp_dataset_items() noexcept;
void mp_dataset_fill(randomx_dataset* dataset, randomx_cache* cache, uint64_t first, uint64_t count) noexcept;
bool mp_dataset_holds(const randomx_dataset* dataset, randomx_cache* cache, uint64_t item) noexcept;
void mp_dataset_free(randomx_dataset* dataset) noexcept;
}

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (!holds) {
    std::printf("FAILED: %s\n", what);
    ++failures;
  }
}

const uint8_t* bytes(const char* text) { return reinterpret_cast<const uint8_t*>(text); }

struct Hash {
  uint8_t bytes[32];

  bool operator==(const Hash& other) const { return std::memcmp(bytes, other.bytes, sizeof bytes) == 0; }
};

Hash hash(randomx_vm* vm, const char* input) {
  Hash output;
  mp_hash(vm, bytes(input), std::strlen(input), output.bytes);
  return output;
}

bool is(const Hash& hash, const char* hex) {
  char text[65];
  for (size_t at = 0; at < sizeof hash.bytes; ++at) {
    std::snprintf(text + 2 * at, 3, "%02x", hash.bytes[at]);
  }
  return std::strcmp(text, hex) == 0;
}

}  // namespace

int main() {
  const char* key = "test key 000";
  const char* official = "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f";
  constexpr int Jit = 8;
  constexpr int Secure = 16;
  const int flags = mp_flags() & ~(Jit | Secure);

  randomx_cache* cache = mp_cache_new(flags, bytes(key), std::strlen(key));
  randomx_cache* view = mp_view_new(flags);
  if (cache == nullptr || view == nullptr) {
    std::printf("FAILED: no memory\n");
    return 1;
  }

  // A view is the cache, then a unit, then another, then the first again.
  expect(mp_view_seed(view, cache, bytes(key), std::strlen(key)), "the key as a seed");
  randomx_vm* vm = mp_vm_light(flags, view);
  expect(is(hash(vm, "This is a test"), official), "the official hash, by a view");
  Hash units[3];
  const char* seeds[3] = {"unit 1", "unit 2", "unit 1"};
  for (int unit = 0; unit < 3; ++unit) {
    expect(mp_view_seed(view, cache, bytes(seeds[unit]), 6), "another seed");
    expect(mp_vm_set_cache(vm, view), "the machine of another unit");
    units[unit] = hash(vm, "input");
  }
  expect(!(units[0] == units[1]) && units[0] == units[2], "units differ, each is always the same");
  uint8_t longest[60];
  std::memset(longest, 0xff, sizeof longest);
  expect(mp_view_seed(view, cache, longest, sizeof longest), "the longest seed");
  expect(mp_view_seed(view, cache, longest, 0), "no seed");
  mp_vm_free(vm);

  randomx_vm* plain = mp_vm_light(flags, cache);
  expect(is(hash(plain, "This is a test"), official), "the official hash, by the cache");
  mp_vm_free(plain);

  // Both ends of a dataset, filled by two threads from one view. The rest is nothing, which a machine reads as well.
  expect(mp_view_seed(view, cache, bytes(seeds[0]), 6), "the dataset's seed");
  randomx_dataset* dataset = mp_dataset_new();
  if (dataset == nullptr) {
    std::printf("FAILED: no memory for a dataset\n");
    return 1;
  }
  const uint64_t last = mp_dataset_items() - 1;
  std::thread begin([&] { mp_dataset_fill(dataset, view, 0, 1000); });
  std::thread end([&] { mp_dataset_fill(dataset, view, last - 998, 999); });
  begin.join();
  end.join();
  expect(mp_dataset_holds(dataset, view, 0) && mp_dataset_holds(dataset, view, 999), "the first items");
  expect(mp_dataset_holds(dataset, view, last - 998) && mp_dataset_holds(dataset, view, last), "the last items");
  expect(!mp_dataset_holds(dataset, view, 1000), "an item that is not there");
  randomx_vm* full = mp_vm_full(flags, dataset);
  const Hash once = hash(full, "input");
  expect(once == hash(full, "input"), "a machine over a dataset");
  mp_vm_free(full);
  mp_dataset_free(dataset);

  mp_cache_free(view);
  mp_cache_free(cache);
  std::printf("%s\n", failures == 0 ? "all hashes and items are right" : "something is wrong");
  return failures == 0 ? 0 : 1;
}
