using System.Globalization;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Metrics;

/// <summary>
/// <c>metrics.jsonl</c>: one object a step, <c>{"stage": …, "step": …, "time": …, name: value, …}</c>, flushed to disk line by line, for <c>tail -f</c> and for
/// notebooks. A number that is not finite is null. run.db is the record; this file can be rebuilt from it.
/// </summary>
public sealed class MetricsJsonl : IDisposable
{
    private readonly string _path;
    private readonly TimeProvider _time;
    private FileStream? _stream;

    public MetricsJsonl(string path, TimeProvider? time = null)
    {
        _path = path;
        _time = time ?? TimeProvider.System;
    }

    public void Append(string stage, long step, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        var line = Line(stage, step, _time.GetUtcNow(), metrics);
        if (_stream is null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
            DropCutLine();
            _stream = new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        }

        _stream.Write(line);
        _stream.Flush(flushToDisk: true);
    }

    private static byte[] Line(string stage, long step, DateTimeOffset time, IReadOnlyDictionary<string, double> metrics)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("stage", stage);
            json.WriteNumber("step", step);
            json.WriteString("time", time.ToString("O", CultureInfo.InvariantCulture));
            foreach (var (name, value) in metrics.OrderBy(m => m.Key, StringComparer.Ordinal))
            {
                // The store keeps no sign of a zero, and a line that is written anew from it is the same line.
                if (double.IsFinite(value))
                    json.WriteNumber(name, value == 0 ? 0 : value);
                else
                    json.WriteNull(name);
            }

            json.WriteEndObject();
        }

        buffer.WriteByte((byte)'\n');
        return buffer.ToArray();
    }

    /// <summary>For a resume: removes the lines of a stage after a step, and a last line that a crash cut.</summary>
    public void TruncateAfter(string stage, long step)
    {
        Close();
        if (File.Exists(_path))
            AtomicFile.WriteAllText(_path, UpTo(stage, step));
    }

    /// <summary>Writes a step's line in place of those of its stage from that step on; the file changes at once or not at all.</summary>
    public void Replace(string stage, long step, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        Close();
        var kept = File.Exists(_path) ? UpTo(stage, step - 1) : "";
        AtomicFile.WriteAllText(_path, kept + Encoding.UTF8.GetString(Line(stage, step, _time.GetUtcNow(), metrics)));
    }

    /// <summary>Writes the file anew from the store, which is the record.</summary>
    public void Rebuild(RunStore store)
    {
        Close();
        AtomicFile.Write(_path, stream =>
        {
            foreach (var (stage, step, time, metrics) in Steps(store))
                stream.Write(Line(stage, step, time, metrics));
        });
    }

    /// <summary>Rebuilds the file where it does not hold what the store holds; true if it did not.</summary>
    public bool Mend(RunStore store)
    {
        var (held, steps) = (Held(), Steps(store));
        var wanted = new Dictionary<(string, long, string), double?>();
        foreach (var (stage, step, _, metrics) in steps)
            foreach (var (name, value) in metrics)
                wanted[(stage, step, name)] = double.IsFinite(value) ? value : null;
        if (held is not null && held.Count == wanted.Count && wanted.All(w => held.TryGetValue(w.Key, out var value) && value == w.Value))
            return false;
        if (held is null && wanted.Count == 0)
            return false;
        Rebuild(store);
        return true;
    }

    /// <summary>One line for each time that metrics of a step were written, in the order of writing.</summary>
    private static (string Stage, long Step, DateTimeOffset Time, Dictionary<string, double> Metrics)[] Steps(RunStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        return
        [
            .. store
                .Metrics()
                .GroupBy(m => (m.Stage, m.Step, m.Time))
                .OrderBy(g => g.Key.Time)
                .ThenBy(g => g.Key.Step)
                .Select(g => (g.Key.Stage, g.Key.Step, g.Key.Time, g.ToDictionary(m => m.Name, m => m.Value, StringComparer.Ordinal))),
        ];
    }

    /// <summary>What the file says; null where there is none, or a line can't be read.</summary>
    private Dictionary<(string Stage, long Step, string Name), double?>? Held()
    {
        if (!File.Exists(_path))
            return null;
        var held = new Dictionary<(string, long, string), double?>();
        try
        {
            foreach (var line in File.ReadLines(_path))
            {
                using var document = JsonDocument.Parse(line);
                var (stage, step) = (document.RootElement.GetProperty("stage").GetString()!, document.RootElement.GetProperty("step").GetInt64());
                foreach (var field in document.RootElement.EnumerateObject().Where(f => f.Name is not ("stage" or "step" or "time")))
                    held[(stage, step, field.Name)] = field.Value.ValueKind == JsonValueKind.Null ? null : field.Value.GetDouble();
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }

        return held;
    }

    private void Close()
    {
        _stream?.Dispose();
        _stream = null;
    }

    private string UpTo(string stage, long step)
    {
        var kept = new StringBuilder();
        var number = 0;
        var lines = File.ReadAllLines(_path);
        foreach (var line in lines)
        {
            number++;
            try
            {
                using var document = JsonDocument.Parse(line);
                if (document.RootElement.GetProperty("stage").GetString() == stage && document.RootElement.GetProperty("step").GetInt64() > step)
                    continue;
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                if (number == lines.Length)
                    continue;
                throw HarnessException.BadFile(
                    _path,
                    $"line {number} is not a step's metrics",
                    line.Length > 80 ? line[..80] : line,
                    "{\"stage\": …, \"step\": …}",
                    "write it anew from run.db: rlharness report RUN --rebuild-metrics",
                    e
                );
            }

            kept.Append(line).Append('\n');
        }

        return kept.ToString();
    }

    public void Dispose() => _stream?.Dispose();

    private void DropCutLine()
    {
        if (!File.Exists(_path))
            return;
        using var stream = new FileStream(_path, FileMode.Open, FileAccess.ReadWrite);
        var end = stream.Length;
        while (end > 0)
        {
            stream.Position = end - 1;
            if (stream.ReadByte() == '\n')
                break;
            end--;
        }

        stream.SetLength(end);
    }
}
