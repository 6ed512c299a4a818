using System.Globalization;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

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
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("stage", stage);
            json.WriteNumber("step", step);
            json.WriteString("time", _time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture));
            foreach (var (name, value) in metrics.OrderBy(m => m.Key, StringComparer.Ordinal))
            {
                if (double.IsFinite(value))
                    json.WriteNumber(name, value);
                else
                    json.WriteNull(name);
            }

            json.WriteEndObject();
        }

        buffer.WriteByte((byte)'\n');
        if (_stream is null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
            DropCutLine();
            _stream = new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        }

        _stream.Write(buffer.GetBuffer(), 0, (int)buffer.Length);
        _stream.Flush(flushToDisk: true);
    }

    /// <summary>For a resume: removes the lines of a stage after a step, and a last line that a crash cut.</summary>
    public void TruncateAfter(string stage, long step)
    {
        _stream?.Dispose();
        _stream = null;
        if (!File.Exists(_path))
            return;
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
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                if (number == lines.Length)
                    continue;
                throw HarnessException.BadFile(
                    _path,
                    $"line {number} is not a step's metrics",
                    line.Length > 80 ? line[..80] : line,
                    "{\"stage\": …, \"step\": …}",
                    "remove the line, or the file: it can be rebuilt from run.db",
                    e
                );
            }

            kept.Append(line).Append('\n');
        }

        AtomicFile.WriteAllText(_path, kept.ToString());
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
