using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Core.Runs;

/// <summary>
/// Folders that are there whole or not at all: written aside, flushed, sealed by a manifest with the SHA-256 of each file, renamed. <c>latest</c> is moved
/// last.
/// </summary>
public static class CheckpointFolder
{
    public const string Manifest = "manifest.json";
    public const string Latest = "latest";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes a sealed folder at <paramref name="path"/>, in place of one that is there.</summary>
    public static void Write(string path, Action<string> fill)
    {
        var aside = $"{path}.{Environment.ProcessId}.tmp";
        if (Directory.Exists(aside))
            Directory.Delete(aside, recursive: true);
        Directory.CreateDirectory(aside);
        try
        {
            fill(aside);
            Seal(aside);
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            Directory.Move(aside, path);
        }
        catch
        {
            if (Directory.Exists(aside))
                Directory.Delete(aside, recursive: true);
            throw;
        }
    }

    /// <summary>True when the folder has been sealed.</summary>
    public static bool IsSealed(string path) => File.Exists(Path.Combine(path, Manifest));

    /// <summary>Compares each file with the manifest.</summary>
    /// <exception cref="HarnessException">A file is missing or differs.</exception>
    public static void Verify(string path)
    {
        var manifest = Path.Combine(path, Manifest);
        if (!File.Exists(manifest))
            throw HarnessException.BadFile(
                path,
                "not a sealed checkpoint",
                "no manifest.json",
                "a folder that was written to its end",
                "resume from an older checkpoint"
            );
        var expected = TextFile.ReadJson<Dictionary<string, string?>>(manifest, "a manifest of file names and hashes", "resume from an older checkpoint");
        foreach (var (name, hash) in expected)
        {
            var file = Path.Combine(path, name);
            if (!File.Exists(file))
                throw HarnessException.BadFile(file, "a file of this checkpoint is missing", "absent", $"SHA-256 {hash}", "resume from an older checkpoint");
            var found = HashOf(file);
            if (found != hash)
                throw HarnessException.BadFile(
                    file,
                    "a file of this checkpoint was changed",
                    $"SHA-256 {found}",
                    $"SHA-256 {hash}",
                    "resume from an older checkpoint"
                );
        }
    }

    public static string StepName(int step) => string.Create(CultureInfo.InvariantCulture, $"step_{step:D6}");

    /// <summary>Writes <c>step_NNNNNN</c> below a stage's folder, moves <c>latest</c>, and removes all but the newest <paramref name="keep"/>.</summary>
    public static string WriteStep(string stageFolder, int step, int keep, Action<string> fill)
    {
        Directory.CreateDirectory(stageFolder);
        var path = Path.Combine(stageFolder, StepName(step));
        Write(path, fill);
        AtomicFile.WriteAllText(Path.Combine(stageFolder, Latest), StepName(step) + "\n");
        foreach (var old in Steps(stageFolder).Where(s => s.Step <= step).OrderByDescending(s => s.Step).Skip(keep))
            Directory.Delete(old.Path, recursive: true);
        return path;
    }

    /// <summary>The newest sealed checkpoint, or null.</summary>
    public static (int Step, string Path)? Newest(string stageFolder)
    {
        var pointer = Path.Combine(stageFolder, Latest);
        var steps = Steps(stageFolder).Where(s => IsSealed(s.Path)).OrderByDescending(s => s.Step).ToArray();
        var name = File.Exists(pointer) ? TextFile.Read(pointer, "the name of a checkpoint").Trim() : null;
        if (steps.FirstOrDefault(s => Path.GetFileName(s.Path) == name) is { Path: not null } named)
            return named;
        return steps.Length > 0 ? steps[0] : null;
    }

    public static string HashOf(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static IEnumerable<(int Step, string Path)> Steps(string stageFolder) =>
        !Directory.Exists(stageFolder)
            ? []
            : Directory
                .EnumerateDirectories(stageFolder, "step_*")
                .Where(p => int.TryParse(Path.GetFileName(p)[5..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
                .Select(p => (int.Parse(Path.GetFileName(p)[5..], CultureInfo.InvariantCulture), p));

    private static void Seal(string folder)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using (var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite))
                stream.Flush(flushToDisk: true);
            hashes.Add(Path.GetRelativePath(folder, file), HashOf(file));
        }

        AtomicFile.WriteAllText(Path.Combine(folder, Manifest), JsonSerializer.Serialize(hashes, Indented) + "\n");
    }
}
