// The harness's own test, and the pattern for the other files. The macros other than EDDY_CONTROL are for the tests in
// CMakeLists.txt that check that the harness can fail.
//
// expect-error: static assertion failed
// expect-error: a future must have an output_type
// expect-error-clang: due to requirement
// max-lines: 5
#include <cstddef>

template <class T>
void poll(T) {
    // Depends on T, so that the test also shows that templates are instantiated.
    static_assert(sizeof(T) > 1, "a future must have an output_type");
}
template <int Levels>
void poll_below() {
    if constexpr (Levels == 0) {
        poll('1');
    } else {
        poll_below<Levels - 1>();
    }
}

int main() {
#if defined(EDDY_CONTROL) && !defined(THE_CONTROL_IS_BROKEN) || defined(IT_COMPILES)
    poll(1);
#elif defined(THE_TEXT_DIFFERS)
    poll();
#elif defined(THE_ERROR_IS_LONG)
    poll_below<6>();
#else
    poll('1');
#endif
}
