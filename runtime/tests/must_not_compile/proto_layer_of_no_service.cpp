// expect-error: static assertion failed
// expect-error: eddy: this is not a service: a service has one const call operator with one parameter
// only-error
#include <eddy/proto/map.hpp>

void use() {
#ifdef EDDY_CONTROL
    const auto answer = [](int n) -> eddy::task<int> { co_return n; };
#else
    const auto answer = [](int n) { return n; };  // returns no future
#endif
    static_cast<void>(answer | eddy::proto::map_response([](int n) { return n; }));
}
