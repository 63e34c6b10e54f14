// expect-error: static assertion failed
// expect-error: eddy: wait takes a future (output_type and poll(context&))
#include <eddy/future/ready.hpp>
#include <eddy/runtime/wait.hpp>

int main() {
#ifdef EDDY_CONTROL
    int i = eddy::wait(eddy::ready(1));
#else
    int i = eddy::wait(1);
#endif
    return i;
}
