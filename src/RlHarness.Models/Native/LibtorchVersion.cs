using RlHarness.Core.Errors;

namespace RlHarness.Models.Native;

/// <summary>
/// Which libtorch versions TorchSharp 0.107 works with: it is built for 2.10; 2.11 lacks 91 symbols of 2.10, none of which libLibTorchSharp imports.
/// </summary>
public static class LibtorchVersion
{
    public const string BuiltFor = "2.10";
    private static readonly string[] Works = ["2.10.", "2.11."];

    /// <summary>
    /// Reads <c>torch/version.py</c> beside an installed PyTorch's <c>lib</c>, or <c>build-version</c> of a libtorch archive; null when there is
    /// neither.
    /// </summary>
    public static string? Read(string libFolder)
    {
        var parent = Path.GetDirectoryName(Path.GetFullPath(libFolder).TrimEnd(Path.DirectorySeparatorChar))!;
        var python = Path.Combine(parent, "version.py");
        if (File.Exists(python))
            foreach (var line in File.ReadLines(python))
                if (line.StartsWith("__version__", StringComparison.Ordinal))
                    return line.Split('\'', '"')[1];
        var archive = Path.Combine(parent, "build-version");
        return File.Exists(archive) ? File.ReadAllText(archive).Trim() : null;
    }

    /// <exception cref="HarnessException">The version is known, and is not one that fits.</exception>
    public static void Check(string libFolder)
    {
        var version = Read(libFolder);
        if (version is null || Works.Any(w => version.StartsWith(w, StringComparison.Ordinal)))
            return;
        throw new HarnessException(
            ErrorKind.Resource,
            $"libtorch of another version in {libFolder}",
            found: version,
            expected: $"{BuiltFor}.x (built for it) or 2.11.x",
            remedy: "pip install torch==2.10.0 into an environment, and name its torch/lib"
        );
    }
}
