// expect-error: static assertion failed
// expect-error: eddy: a channel carries values: a reference, void or const cannot be sent; send a pointer
#include <eddy/sync/mpsc.hpp>

int main() {
#ifdef EDDY_CONTROL
    using message = int*;
#else
    using message = int&;
#endif
    auto ends = eddy::sync::mpsc<message>::channel(4);
}
