using RlHarness.Core.Errors;

namespace RlHarness.Core.Settings;

/// <summary>Finds settings files that a person names: in the working folder, or those that came with the program, wherever it is started.</summary>
public static class SettingsFiles
{
    /// <summary>
    /// The path itself where a file is there; else a file below the program's own folder (<c>configs/quickstart.yaml</c>) or its <c>configs</c>
    /// (<c>quickstart.yaml</c>, <c>quickstart</c>).
    /// </summary>
    /// <exception cref="HarnessException">It is nowhere; the message lists where it was looked for.</exception>
    public static string Find(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
            return path;
        var own = Path.Combine(AppContext.BaseDirectory, "configs");
        string[] places = Path.IsPathRooted(path)
            ? []
            : [Path.Combine(AppContext.BaseDirectory, path), Path.Combine(own, path), Path.Combine(own, path + ".yaml")];
        // A folder or a pipe at the path is for whoever reads it to refuse.
        return places.FirstOrDefault(File.Exists)
            ?? (Path.Exists(path) ? path : null)
            ?? throw new HarnessException(
                ErrorKind.BadInput,
                $"{path}: no such settings file",
                $"nothing at {string.Join(", ", places.Prepend(path))}",
                Directory.Exists(own)
                    ? $"a YAML file, or one of {string.Join(", ", Names(own))}, which came with the program"
                    : "a YAML file, such as configs/quickstart.yaml"
            );
    }

    private static IEnumerable<string> Names(string folder) =>
        Directory.EnumerateFiles(folder, "*.yaml").Select(f => "configs/" + Path.GetFileName(f)).Order(StringComparer.Ordinal);
}
