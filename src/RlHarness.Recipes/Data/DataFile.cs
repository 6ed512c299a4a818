using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Parquet.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Recipes.Data;

/// <summary>Rows of a JSON Lines or Parquet file of somebody else's, each as JSON, with where it stands.</summary>
internal static class DataFile
{
    /// <summary>A small Parquet file is read in milliseconds; on a machine that does much else, in seconds.</summary>
    private static readonly TimeSpan LeastWait = TimeSpan.FromSeconds(20);

    /// <summary>Problems that an error lists; more are counted.</summary>
    private const int Listed = 10;

    private static readonly JsonSerializerOptions Untyped = new()
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Reads a file, row by row; all rows that can't be read are told together.</summary>
    /// <param name="read">A row of the file, its number from 0; throws <see cref="RowException"/>.</param>
    /// <exception cref="HarnessException">There is no such file, it is of another form, it is empty, or rows of it can't be read.</exception>
    public static IReadOnlyList<T> Read<T>(string path, string expected, Func<JsonElement, int, T> read)
    {
        if (!File.Exists(path))
            throw HarnessException.BadFile(path, "no such file", "nothing at this path", $"a .jsonl or .parquet file, {expected}");
        var (rows, problems, bad) = (new List<T>(), new List<string>(), 0);
        foreach (var (place, row, broken) in Rows(path))
        {
            var problem = broken;
            if (row is { } element)
                try
                {
                    rows.Add(read(element, rows.Count + bad));
                    continue;
                }
                catch (RowException e)
                {
                    problem = e.Message;
                }

            bad++;
            if (problems.Count < Listed)
                problems.Add($"{place}: {problem}");
        }

        const string Indented = "\n            ";
        if (bad > 0)
            throw HarnessException.BadFile(
                path,
                $"{bad} of {rows.Count + bad} rows can't be used",
                string.Join(Indented, problems) + (bad > Listed ? $"{Indented}… and {bad - Listed} more" : ""),
                expected,
                "correct them, or name the columns that are meant in the settings (docs/corpus.md)"
            );
        return rows.Count > 0 ? rows : throw HarnessException.BadFile(path, "the file has no rows", expected: expected);
    }

    /// <summary>SHA-256 of the file's bytes, for cache keys.</summary>
    public static string Hash(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static IEnumerable<(string Place, JsonElement? Row, string Broken)> Rows(string path) =>
        Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".parquet" => Parquet(path),
            ".jsonl" or ".ndjson" => Lines(path),
            var other => throw HarnessException.BadFile(
                path,
                "a file of another form",
                other.Length == 0 ? "a name without an extension" : other,
                ".jsonl (one object a line) or .parquet"
            ),
        };

    private static IEnumerable<(string, JsonElement?, string)> Lines(string path)
    {
        var number = 0;
        foreach (var line in TextFile.Lines(path, "JSON lines"))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            JsonElement? row = null;
            var broken = "";
            try
            {
                var parsed = TextFile.ParseJson(Encoding.UTF8.GetBytes(line));
                row =
                    parsed.ValueKind == JsonValueKind.Object
                        ? parsed
                        : throw new JsonException($"{parsed.ValueKind.ToString().ToLowerInvariant()}, expected an object");
            }
            catch (JsonException e)
            {
                broken = $"not a JSON object: {e.Message}";
            }

            yield return (string.Create(CultureInfo.InvariantCulture, $"line {number}"), row, broken);
        }
    }

    private static IEnumerable<(string, JsonElement?, string)> Parquet(string path)
    {
        ParquetCheck.Of(path);
        IReadOnlyList<Dictionary<string, object>> rows;
        try
        {
            // Parquet.Net 6.1.0 can skip a field of the wrong type for hours, and hears no cancellation: it is not waited for.
            var reading = Task.Run(() => ReadParquetAsync(path));
            var limit = LeastWait + TimeSpan.FromSeconds(new FileInfo(path).Length / (double)(1 << 20));
            rows = reading.Wait(limit) ? [.. reading.Result] : throw new TimeoutException($"reading it does not end within {limit.TotalSeconds:f0} s");
        }
        catch (AggregateException e) when (e.InnerException is { } inner and not (OutOfMemoryException or OperationCanceledException))
        {
            throw Unreadable(path, inner);
        }
        catch (TimeoutException e)
        {
            throw Unreadable(path, e);
        }

        for (var i = 0; i < rows.Count; i++)
            yield return (string.Create(CultureInfo.InvariantCulture, $"row {i + 1}"), JsonSerializer.SerializeToElement(rows[i], Untyped), "");
    }

    private static async Task<IList<Dictionary<string, object>>> ReadParquetAsync(string path)
    {
        using var stream = File.OpenRead(path);
        return (await ParquetSerializer.DeserializeUntypedAsync(stream).ConfigureAwait(false)).Data;
    }

    private static HarnessException Unreadable(string path, Exception e) =>
        HarnessException.BadFile(path, "not a Parquet file that can be read", e.Message, "Parquet, as datasets and pandas write it", inner: e);
}

/// <summary>What is wrong with a row.</summary>
internal sealed class RowException(string message) : Exception(message);
