// A combinator consumes its future, which must be visible at the call.
//
// expect-error: eddy: a combinator takes ownership of its future: write std::move(f).map(...)
#include <eddy/future/ready.hpp>

int main() {
    auto f = eddy::ready(1);
#ifdef EDDY_CONTROL
    static_cast<void>(std::move(f).map([](int i) { return i; }));
#else
    static_cast<void>(f.map([](int i) { return i; }));
#endif
}
