# Writes FILES (a list) as a C++ table of {path, text}; see qoq_embed() in qoq_library.cmake.
# String literals are cut into pieces: compilers need not accept one of megabytes.
set(body "#include \"kernels/base/embedded.h\"\n\nnamespace qoq::embedded {\nnamespace {\nconst File files[] = {\n")
foreach(file IN LISTS FILES)
  file(RELATIVE_PATH path ${ROOT} ${file})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" escaped "${hex}")
  string(REGEX REPLACE "(................................................................)" "\\1\"\n\"" escaped "${escaped}")
  file(SIZE ${file} size)
  string(APPEND body "{\"${path}\", {\n\"${escaped}\",\n${size}}},\n")
endforeach()
string(APPEND body "};\n}  // namespace\nextern const std::span<const File> ${SYMBOL};\nconst std::span<const File> ${SYMBOL} = files;\n}  // namespace qoq::embedded\n")
file(WRITE ${OUT} "${body}")
