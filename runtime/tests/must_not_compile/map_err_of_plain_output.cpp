// expect-error: static assertion failed
// expect-error: eddy: map_err needs a future of a std::expected
#include <eddy/future/ready.hpp>

int main() {
#ifdef EDDY_CONTROL
    auto number = eddy::ready(eddy::ok(1));
#else
    auto number = eddy::ready(1);
#endif
    static_cast<void>(std::move(number).map_err([](std::error_code) {}));
}
