// The function does not accept the future's value.
//
// expect-error: static assertion failed
// expect-error: eddy: the function given to and_then does not take the future's value
#include <eddy/future/ready.hpp>

#include <string>

int main() {
#ifdef EDDY_CONTROL
    auto f = [](int) {};
#else
    auto f = [](const std::string&) {};
#endif
    static_cast<void>(eddy::ready(eddy::ok(1)).and_then(f).map_err([](std::error_code) {}));
}
