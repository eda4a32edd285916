# Makes a source file of a text: -DFROM=openapi.json -DTO=openapi_text.cpp
file(READ ${FROM} text)
# CMake copies long texts in pieces; the compilers in use take the literal they make together, whatever its length.
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "    R\"~~~(${piece})~~~\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${TO} "#include \"server/api/openapi_api.h\"\n\n#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\nnamespace kyanite {\n\nstd::string_view openapi_text() {\n  return\n${pieces}      ;\n}\n\n}  // namespace kyanite\n")
