// expect-error: static assertion failed
// expect-error: eddy: load_shed() rejects calls that would wait for a limit, and there is none inside of it
// only-error
#include <eddy/proto/limits.hpp>

eddy::task<int> twice(int n) { co_return 2 * n; }

void use() {
#ifdef EDDY_CONTROL
    const auto handler = twice | eddy::proto::concurrency_limit(1) | eddy::proto::load_shed();
#else
    const auto handler = twice | eddy::proto::load_shed();
#endif
    static_cast<void>(handler);
}
