// expect-error: eddy: this takes ownership of its object: write std::move(x).f(...), not x.f(...)
// only-error
#include <eddy/runtime/runtime.hpp>

using namespace std::chrono_literals;

int main() {
    eddy::runtime rt;
#ifdef EDDY_CONTROL
    std::move(rt).shutdown_timeout(1s);
#else
    rt.shutdown_timeout(1s);
#endif
}
