// An adaptor owns its futures. std::ref makes it borrow one.
//
// expect-error: static assertion failed
// expect-error: eddy: this takes ownership of its futures: write std::move(f), or std::ref(f) to keep it
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>

#include <functional>

int main() {
    auto f = eddy::ready(1);
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::select(std::ref(f), eddy::pending()));
#else
    static_cast<void>(eddy::select(f, eddy::pending()));
#endif
}
