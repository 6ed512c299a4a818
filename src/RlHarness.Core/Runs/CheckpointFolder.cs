using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.ExceptionServices;
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

    /// <summary>What is told of a model beside its weights. It is written anew when figures come, so no manifest names it and no copy takes it along.</summary>
    public const string Card = "README.md";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes a sealed folder at <paramref name="path"/>, in place of one that is there.</summary>
    public static void Write(string path, Action<string> fill)
    {
        var aside = AtomicFile.Aside(path);
        if (Directory.Exists(aside))
            Directory.Delete(aside, recursive: true);
        Directory.CreateDirectory(aside);
        try
        {
            fill(aside);
            Seal(aside);
            if (!Directory.Exists(path))
            {
                Directory.Move(aside, path);
                return;
            }

            // The one that is there stays until its successor is sealed, and comes back where the process is killed between the two moves.
            var replaced = AtomicFile.Replaced(path);
            Directory.Move(path, replaced);
            Directory.Move(aside, path);
            Directory.Delete(replaced, recursive: true);
        }
        catch
        {
            if (Directory.Exists(aside))
                Directory.Delete(aside, recursive: true);
            throw;
        }
    }

    /// <summary>Writes a sealed copy of a sealed folder.</summary>
    public static void Copy(string source, string target) => Write(target, aside => CopyFiles(source, aside));

    internal static void CopyFiles(string source, string target)
    {
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(source, file);
            if (name is Manifest or Card)
                continue;
            var to = Path.Combine(target, name);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
    }

    /// <summary>True when the folder has been sealed.</summary>
    public static bool IsSealed(string path) => File.Exists(Path.Combine(path, Manifest));

    /// <summary>Compares each file with the manifest.</summary>
    /// <exception cref="HarnessException">The manifest or a file is missing, cut, or differs.</exception>
    public static void Verify(string path)
    {
        if (Damage(path) is { } damage)
            throw damage;
    }

    /// <summary>What is wrong with a sealed folder; null where it is whole.</summary>
    public static HarnessException? Damage(string path)
    {
        const string remedy = "go on from an older checkpoint (`checkpoint verify RUN` lists those that are whole), or copy this one back";
        var manifest = Path.Combine(path, Manifest);
        if (!Directory.Exists(path))
            return HarnessException.BadFile(path, "the folder is missing", "nothing at this path", "a sealed folder", remedy);
        if (!File.Exists(manifest))
            return HarnessException.BadFile(path, "not a sealed checkpoint", "no manifest.json", "a folder that was written to its end", remedy);
        Dictionary<string, string?> expected;
        try
        {
            expected = TextFile.ReadJson<Dictionary<string, string?>>(manifest, "a manifest of file names and hashes", remedy);
        }
        catch (HarnessException e)
        {
            var found = (e.InnerException ?? e).Message.ReplaceLineEndings(" ");
            return HarnessException.BadFile(manifest, "the manifest is cut or damaged", found, "the SHA-256 of each file", remedy, e);
        }

        if (expected.Count == 0)
            return HarnessException.BadFile(manifest, "the manifest is cut or damaged", "no file is named", "the SHA-256 of each file", remedy);
        foreach (var (name, hash) in expected)
        {
            var file = Path.Combine(path, name);
            if (!File.Exists(file))
                return HarnessException.BadFile(file, "a file of this checkpoint is missing", "absent", $"SHA-256 {hash}", remedy);
            var found = HashOf(file);
            if (found != hash)
                return HarnessException.BadFile(file, "a file of this checkpoint was changed", $"SHA-256 {found}", $"SHA-256 {hash}", remedy);
        }

        return null;
    }

    public static string StepName(int step) => string.Create(CultureInfo.InvariantCulture, $"step_{step:D6}");

    /// <summary>Writes <c>step_NNNNNN</c> below a stage's folder, moves <c>latest</c>, and then removes those that are not kept.</summary>
    /// <param name="keep">Given the steps that are there, oldest first, those to keep; the new one always stays.</param>
    public static string WriteStep(string stageFolder, int step, Func<IReadOnlyList<int>, IEnumerable<int>> keep, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(keep);
        Directory.CreateDirectory(stageFolder);
        var path = PathOf(stageFolder, step);
        Write(path, fill);
        Point(stageFolder, step);
        var there = Steps(stageFolder);
        foreach (var gone in there.Except(keep(there)).Where(s => s != step))
            Directory.Delete(PathOf(stageFolder, gone), recursive: true);
        return path;
    }

    /// <summary>Removes every checkpoint after a step, which <c>latest</c> names from then on.</summary>
    public static void GoBack(string stageFolder, int step)
    {
        Point(stageFolder, step);
        foreach (var later in Steps(stageFolder).Where(s => s > step))
            Directory.Delete(PathOf(stageFolder, later), recursive: true);
    }

    /// <summary>Steps that have a folder, whole or not, oldest first.</summary>
    public static IReadOnlyList<int> Steps(string stageFolder) =>
        !Directory.Exists(stageFolder)
            ? []
            :
            [
                .. Directory
                    .EnumerateDirectories(stageFolder, "step_*")
                    .Where(p => int.TryParse(Path.GetFileName(p)[5..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
                    .Select(p => int.Parse(Path.GetFileName(p)[5..], CultureInfo.InvariantCulture))
                    .Order(),
            ];

    public static string PathOf(string stageFolder, int step) => Path.Combine(stageFolder, StepName(step));

    /// <summary>
    /// The checkpoint that <c>latest</c> names, or the one of the highest step; null where there is none. Whole or not: a damaged one is never passed over
    /// without a word.
    /// </summary>
    public static (int Step, string Path)? Newest(string stageFolder)
    {
        var steps = Steps(stageFolder);
        var pointer = Path.Combine(stageFolder, Latest);
        if (
            File.Exists(pointer)
            && TextFile.Read(pointer, "the name of a checkpoint").Trim() is ['s', 't', 'e', 'p', '_', .. var digits]
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var named)
        )
            return (named, PathOf(stageFolder, named));
        return steps.Count > 0 ? (steps[^1], PathOf(stageFolder, steps[^1])) : null;
    }

    /// <summary>The newest checkpoint, or that of a step, after each of its files was compared with its manifest; null where there is none.</summary>
    /// <param name="from">A step; null: the newest.</param>
    /// <exception cref="HarnessException">It is damaged, or there is none of that step: says which is the newest that is whole.</exception>
    public static (int Step, string Path)? Open(string stageFolder, int? from = null)
    {
        var chosen = from is { } step ? (step, PathOf(stageFolder, step)) : Newest(stageFolder);
        if (chosen is not { } checkpoint || Damage(checkpoint.Path) is not { } damage)
            return chosen;
        var whole = Steps(stageFolder).Where(s => s != checkpoint.Step && Damage(PathOf(stageFolder, s)) is null).Cast<int?>().LastOrDefault();
        throw new HarnessException(
            damage.Kind,
            damage.Message.Split("  do:")[0].TrimEnd(),
            remedy: whole is { } intact
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"the newest checkpoint that is whole is {StepName(intact)}: give the command again with --from {intact}"
                )
                : "no other checkpoint here is whole: copy this one back, or start the run anew",
            inner: damage
        );
    }

    public static string HashOf(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static void Point(string stageFolder, int step) => AtomicFile.WriteAllText(Path.Combine(stageFolder, Latest), StepName(step) + "\n");

    private static void Seal(string folder)
    {
        var hashes = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        // A run waits for its checkpoint: its threads have nothing else to do meanwhile.
        try
        {
            Parallel.ForEach(Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories), file =>
            {
                var name = Path.GetRelativePath(folder, file);
                if (name == Card)
                    return;
                using (var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite))
                    stream.Flush(flushToDisk: true);
                hashes[name] = HashOf(file);
            });
        }
        catch (AggregateException e)
        {
            // A full disk is told as one, and not as several errors of which none is known.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        var sorted = new SortedDictionary<string, string>(hashes, StringComparer.Ordinal);
        AtomicFile.WriteAllText(Path.Combine(folder, Manifest), JsonSerializer.Serialize(sorted, Indented) + "\n");
    }
}

/// <summary>SHA-256 in lower-case hexadecimal.</summary>
public static class FileHash
{
    public static string Of(string path) => CheckpointFolder.HashOf(path);

    public static string OfText(string text) => Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)));
}
