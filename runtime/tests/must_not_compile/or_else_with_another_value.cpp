// The value that or_else returns in place of an error must have the same type.
//
// expect-error: static assertion failed
// expect-error: eddy: the function given to or_else must return a value of the future's type
#include <eddy/future/ready.hpp>

#include <string>

int main() {
#ifdef EDDY_CONTROL
    auto f = [](std::error_code) { return 0; };
#else
    auto f = [](std::error_code) { return std::string(); };
#endif
    static_cast<void>(eddy::ready(eddy::ok(1)).or_else(f));
}
