"""What is printed of the applications."""


def show(result, verbose):
    count, size = result.file
    print(f"{result.name}: {result.calls} calls; init: {result.notes} lines of notes;", end=" ")
    print(f"gateway.yaml: {count} lines, {size} bytes")
    for behind in result.passes:
        show_pass(behind, result.calls, verbose)
    for text in result.broken:
        print(indented("  ! ", text))
    print(flush=True)


def show_pass(behind, calls, verbose):
    if behind.broken:
        print(f"  {behind.when} the printed lines: not asked")
        for text in behind.broken:
            print(indented("    ! ", text))
        return
    named = len({name for name, _ in behind.named})
    print(f"  {behind.when} the printed lines: {behind.same} calls are answered the same,", end=" ")
    print(f"{named} differ for a reason, {calls - behind.same - named} differ")
    print(f"    the gateway judges {behind.judged} of {behind.guarded} guarded calls, {behind.share},", end=" ")
    print(f"and {behind.others} are guarded by other views than DRF's")
    print(f"    of {behind.refused} with no credential or a wrong one, {len(behind.leaked)} reach the application,", end=" ")
    print(f"{len(behind.opened)} of them where the gateway judges")
    print(f"    doctor ends with {behind.doctor}")
    for line, names in alike(behind.differing + behind.named):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        print(f"    - {line}\n        {', '.join(names[:3])}{more}")
    for name in behind.opened:
        print(f"    ! reaches the application, though the gateway judges there: {name}")
    if verbose:
        for name in behind.leaked + behind.reached:
            print(f"    · reaches the application: {name}")


def alike(differences):
    """Each difference once, with the calls that have it."""
    told = {}
    for name, line in differences:
        told.setdefault(line, []).append(name)
    return told.items()


def indented(mark, text):
    return mark + text.strip().replace("\n", "\n" + " " * len(mark))


def table(results):
    rows = [("application", "calls", "notes", "file", "same before", "same after", "judged before", "judged after")]
    for result in results:
        told = {behind.when: cells(behind) for behind in result.passes if not behind.broken}
        (before, share), (after, share_after) = (told.get(when, ("broken", "-")) for when in ("before", "after"))
        rows.append((result.name, result.calls, result.notes, result.file[0], before, after, share, share_after))
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows)]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    print("`same`: answered the same + otherwise for a named reason")


def cells(behind):
    return f"{behind.same} + {len({name for name, _ in behind.named})}", behind.share
