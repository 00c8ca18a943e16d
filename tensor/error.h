#pragma once
// Errors of hippograd. The library never aborts, exits or prints: every mistake becomes one of these exceptions,
// with a message that names the op, the argument, what was expected and what came.
// In Python: ShapeError(ValueError, RuntimeError), DtypeError(TypeError, ValueError, RuntimeError), IndexError,
// ValueError, DeviceError and GradError(RuntimeError).
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hippograd {

struct Error : std::runtime_error { using std::runtime_error::runtime_error; };
struct ShapeError : Error { using Error::Error; };
struct DtypeError : Error { using Error::Error; };
struct DeviceError : Error { using Error::Error; };
struct IndexError : Error { using Error::Error; };
struct ValueError : Error { using Error::Error; };
struct GradError : Error { using Error::Error; };
struct LinAlgError : Error { using Error::Error; };   // singular matrix, no convergence: hg.linalg.LinAlgError (RuntimeError)
struct FileError : Error { using Error::Error; };
struct OutOfMemory : Error { using Error::Error; };

// append(s, x): one overload per kind of thing that appears in a message; other types add their own `append`.
inline void append(std::string& s, std::string_view x) { s += x; }
inline void append(std::string& s, const char* x) { s += x; }
inline void append(std::string& s, const std::string& x) { s += x; }
inline void append(std::string& s, char x) { s += x; }
inline void append(std::string& s, bool x) { s += x ? "True" : "False"; }
template <class T> requires std::is_integral_v<T> void append(std::string& s, T x) { s += std::to_string(x); }
void append(std::string& s, double x);  // shortest form that reads back

// cat("a", 3, shape): the parts of a message in one string.
template <class T> concept Appendable = requires(std::string& s, const T& part) { append(s, part); };
template <Appendable... Parts> std::string cat(const Parts&... parts) {
  std::string s;
  (append(s, parts), ...);
  return s;
}

// fail<ShapeError>("softmax: input must be ..., got ", shape)
template <class E = Error, class... Parts> [[noreturn]] void fail(const Parts&... parts) { throw E(cat(parts...)); }

}  // namespace hippograd
