// Answers every request with a greeting that names what was asked for.
//
// No library is needed: these are the functions of `wasi:http` and `wasi:io` that it uses, as components call them. What
// they take and give is in `wit/deps`. A handle is an `int`; what does not fit into one is put where the last argument
// points.

#include <stddef.h>

#define FROM(interface, function) __attribute__((import_module(interface), import_name(function)))
#define HTTP "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"

FROM(HTTP, "[method]incoming-request.path-with-query") void path_with_query(int request, int *path);
FROM(HTTP, "[resource-drop]incoming-request") void drop_request(int request);
FROM(HTTP, "[constructor]fields") int new_fields(void);
FROM(HTTP, "[method]fields.append") void append(int fields, const char *name, size_t, const char *value, size_t, int *done);
FROM(HTTP, "[constructor]outgoing-response") int new_response(int fields);
FROM(HTTP, "[method]outgoing-response.set-status-code") int set_status(int response, int status);
FROM(HTTP, "[method]outgoing-response.body") void body_of(int response, int *body);
FROM(HTTP, "[static]response-outparam.set") void set(int out, int failed, int response, int, long long, int, int, int, int);
FROM(HTTP, "[method]outgoing-body.write") void stream_of(int body, int *stream);
FROM(HTTP, "[static]outgoing-body.finish") void finish(int body, int has_trailers, int trailers, int *done);
FROM(STREAMS, "[method]output-stream.blocking-write-and-flush") void write_to(int stream, const char *, size_t, int *done);
FROM(STREAMS, "[resource-drop]output-stream") void drop_stream(int stream);

static char heap[256 * 1024];
static size_t used;

// Where the host puts what it gives. Nothing is taken back: each request has a fresh instance.
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  (void)old, (void)old_size;
  size_t start = (used + align - 1) & ~(align - 1);
  if (size > sizeof heap || start > sizeof heap - size) __builtin_trap();
  used = start + size;
  return heap + start;
}

// A part of an answer; the interface takes at most 4096 bytes at once.
static void say(int stream, const char *text, size_t size) {
  int done[3];
  for (size_t part; size > 0; text += part, size -= part) {
    part = size < 4096 ? size : 4096;
    write_to(stream, text, part, done);
    if (done[0] & 1) return; // Whoever asked has gone.
  }
}

#define SAY(stream, text) say(stream, text, sizeof text - 1)

__attribute__((export_name("wasi:http/incoming-handler@0.2.12#handle")))
void handle(int request, int out) {
  int path[3], result[6];
  path_with_query(request, path); // Whether there is one, where, and how long it is.
  drop_request(request);

  int fields = new_fields();
  append(fields, "content-type", 12, "text/plain", 10, result);
  int response = new_response(fields);
  set_status(response, 200);
  body_of(response, result);
  int body = result[1];
  set(out, 0, response, 0, 0, 0, 0, 0, 0);

  stream_of(body, result);
  int stream = result[1];
  SAY(stream, "Hello, world! You asked for ");
  if (path[0] & 1) say(stream, (const char *)path[1], path[2]);
  SAY(stream, ".\n");
  drop_stream(stream);
  finish(body, 0, 0, result);
}
