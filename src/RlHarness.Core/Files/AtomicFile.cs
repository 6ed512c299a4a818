using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace RlHarness.Core.Files;

/// <summary>Writes that are there whole or not at all: aside, flushed to disk, renamed.</summary>
public static partial class AtomicFile
{
    public static void WriteAllText(string path, string text) => Write(path, stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true);
            writer.Write(text);
        });

    public static void Write(string path, Action<Stream> write)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var aside = Aside(path);
        try
        {
            using (var stream = new FileStream(aside, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(aside, path, overwrite: true);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
    }

    /// <summary>Where this process writes a file or a folder before it takes its name: <c>name.host-process.tmp</c> beside it.</summary>
    public static string Aside(string path) => $"{path}.{Host}-{Environment.ProcessId}.tmp";

    /// <summary>
    /// Removes what processes that were killed left half written in a folder and below it. A folder that was moved away for its successor, which never
    /// came, goes back to its place.
    /// </summary>
    /// <param name="folder">Nothing happens where it does not exist.</param>
    /// <param name="everyone">
    /// Also what other machines and living processes write, which is right for a folder that the caller holds alone; false: what dead processes of this
    /// machine left.
    /// </param>
    /// <returns>What was removed or moved back, in words.</returns>
    public static IReadOnlyList<string> Sweep(string folder, bool everyone)
    {
        if (!Directory.Exists(folder))
            return [];
        var swept = new List<string>();
        foreach (var path in Directory.EnumerateFileSystemEntries(folder, "*.tmp", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray())
        {
            if (Left().Match(Path.GetFileName(path)) is not { Success: true } name || !(everyone || IsDead(name.Groups["host"].Value, name.Groups["id"].Value)))
                continue;
            if (Directory.Exists(path))
                Settle(path, name);
            else if (File.Exists(path))
                File.Delete(path);
            else
                continue;
            swept.Add(Path.GetRelativePath(folder, path));
        }

        return swept;
    }

    /// <summary>What a folder is called while its successor takes its place.</summary>
    internal static string Replaced(string path) => Aside(path + ".old");

    private static string Host => Unfit().Replace(Environment.MachineName, "_");

    private static void Settle(string path, Match name)
    {
        var target = Path.Combine(Path.GetDirectoryName(path)!, name.Groups["name"].Value);
        if (name.Groups["old"].Success && !Directory.Exists(target))
            Directory.Move(path, target);
        else
            Directory.Delete(path, recursive: true);
    }

    private static bool IsDead(string host, string id)
    {
        if (host != Host || !int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return false;
        try
        {
            using var process = Process.GetProcessById(number);
            return process.HasExited;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    [GeneratedRegex(@"^(?<name>.+?)(?<old>\.old)?\.((?<host>[A-Za-z0-9_]+)-)?(?<id>\d+)\.tmp$")]
    private static partial Regex Left();

    [GeneratedRegex("[^A-Za-z0-9]")]
    private static partial Regex Unfit();
}
