/// Rows in columns, as wide as what they hold.
struct TextTable {
  enum Alignment { case left, right }

  var header: [(title: String, alignment: Alignment)]
  private var rows: [[String]] = []
  /// Longer cells are cut.
  var cellWidthMax = 60

  init(_ header: [(String, Alignment)]) { self.header = header }

  var isEmpty: Bool { rows.isEmpty }

  /// Cells are escaped here, so that no caller forgets.
  mutating func add(_ cells: [String]) {
    precondition(cells.count == header.count, "a row has as many cells as the header")
    rows.append(cells.map { Printable.cut(Printable.escaped($0), cellWidthMax) })
  }

  func text(_ style: Style) -> String {
    var widths = header.map(\.title.count)
    for row in rows {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    var text = style.bold(line(header.map(\.title), widths)) + "\n"
    for row in rows { text += line(row, widths) + "\n" }
    return text
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      let space = String(repeating: " ", count: widths[index] - cell.count)
      let last = index == cells.count - 1
      if index > 0 { text += "  " }
      switch header[index].alignment {
      case .left: text += cell + (last ? "" : space)
      case .right: text += space + cell
      }
    }
    return text
  }
}
