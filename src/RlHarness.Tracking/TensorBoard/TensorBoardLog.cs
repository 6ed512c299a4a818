using System.Globalization;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.TensorBoard;

/// <summary>
/// A run as TensorBoard reads it: <c>tensorboard/STAGE/</c> for each stage, since each counts its own steps, and hyper-parameters in <c>tensorboard/</c>.
/// run.db is the record; these files can be written from it again.
/// </summary>
public sealed class TensorBoardLog : IDisposable
{
    /// <summary>The folder's name within a run's.</summary>
    public const string Folder = "tensorboard";

    private readonly string _folder;
    private readonly string _run;
    private readonly RunStore _store;
    private readonly TimeProvider _time;
    private readonly Dictionary<string, EventFile> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _names = new(StringComparer.Ordinal);

    /// <summary>Writes hyper-parameters, and what the store has of stages that have no file yet.</summary>
    /// <param name="run">The run's folder, whose run.json names the settings that are not the defaults.</param>
    /// <param name="store">The run's store, not owned.</param>
    /// <param name="folder">Where to; null: <c>tensorboard</c> in the run's folder.</param>
    public TensorBoardLog(string run, RunStore store, TimeProvider? time = null, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(store);
        (_run, _store, _time, _folder) = (run, store, time ?? TimeProvider.System, folder ?? Path.Combine(run, Folder));
        if (!EventFile.AnyIn(_folder))
        {
            var (settings, started) = About();
            using var file = EventFile.Create(_folder, started);
            file.Write(started, 0, [SummaryValues.SessionStart(settings, started)]);
            file.Flush();
        }

        foreach (var stage in Stages(store))
            if (!EventFile.AnyIn(Path.Combine(_folder, stage)))
                Restart(stage, long.MaxValue);
    }

    /// <summary>Writes all that a store has, in place of what a folder holds. Returns the files.</summary>
    /// <param name="folder">Where to; event files that lie there go, and nothing else.</param>
    public static IReadOnlyList<string> Export(string run, RunStore store, string folder)
    {
        ArgumentNullException.ThrowIfNull(store);
        foreach (var place in Stages(store).Select(s => Path.Combine(folder, s)).Append(folder).Where(Directory.Exists))
            foreach (var file in Directory.GetFiles(place, "events.out.tfevents.*"))
                File.Delete(file);
        using (new TensorBoardLog(run, store, folder: folder)) { }

        return [.. Directory.EnumerateFiles(folder, "events.out.tfevents.*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
    }

    /// <summary>Adds a step that the store has already; on disk when this returns.</summary>
    public void Append(StepBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (!_files.ContainsKey(batch.Stage))
            Restart(batch.Stage, batch.Step - 1);
        Write(batch, _time.GetUtcNow());
        _files[batch.Stage].Flush();
    }

    /// <summary>
    /// For a resume: begins a new file of a stage, which takes back what earlier ones have of steps after <paramref name="after"/>. That step itself is written
    /// again from the store, since a process that was killed may have committed it and not come to write it here.
    /// </summary>
    public void Restart(string stage, long after)
    {
        var folder = Path.Combine(_folder, stage);
        var whole = !EventFile.AnyIn(folder);
        if (_files.Remove(stage, out var open))
            open.Dispose();
        _names.Remove(stage);
        var steps = StepsOf(stage).Where(s => s <= after && (whole || s == after)).ToArray();
        var file = _files[stage] = EventFile.Create(folder, steps.Length > 0 ? TimeOf(stage, steps[0]) : _time.GetUtcNow());
        file.Start(_time.GetUtcNow(), whole ? 0 : Math.Max(0, after));
        foreach (var step in steps)
            Write(Stored(stage, step), TimeOf(stage, step));
        file.Flush();
    }

    /// <summary>Closes the files; where every stage is done, says that the session ended well.</summary>
    public void Dispose()
    {
        foreach (var file in _files.Values)
            file.Dispose();
        _files.Clear();
        var stages = _store.Stages();
        if (stages.Count == 0 || stages.Any(s => s.Status != "done"))
            return;
        var ended = stages.Max(s => s.Ended) ?? _time.GetUtcNow();
        using var end = EventFile.Create(_folder, ended);
        end.Write(ended, 0, [SummaryValues.SessionEnd(ended)]);
        end.Flush();
    }

    private static IEnumerable<string> Stages(RunStore store) => store.Stages().Select(s => s.Stage).Where(s => store.StepsOf(s).Count > 0);

    private IReadOnlyList<long> StepsOf(string stage) => _store.StepsOf(stage);

    private DateTimeOffset TimeOf(string stage, long step) => _store.Metrics(stage, step)[0].Time;

    private StepBatch Stored(string stage, long step) =>
        new(stage, step)
        {
            Metrics = _store.Metrics(stage, step).ToDictionary(m => m.Name, m => m.Value, StringComparer.Ordinal),
            Transcripts = _store.Transcripts(new TranscriptFilter(stage, step)),
            Labels = _store.Labels(stage, step),
        };

    private void Write(StepBatch batch, DateTimeOffset time)
    {
        var file = _files[batch.Stage];
        if (!_names.TryGetValue(batch.Stage, out var names))
            _names[batch.Stage] = names = new(StringComparer.Ordinal);
        var known = names.Count;
        names.UnionWith(batch.Metrics.Keys);
        if (names.Count > known && SummaryValues.Margins(names) is { } margins)
            file.Write(time, batch.Step, [margins]);
        file.Write(time, batch.Step, SummaryValues.Of(batch));
    }

    /// <summary>Settings that are not the defaults, the seed, and when the run was started; without a run.json that can be read, the time alone.</summary>
    private (IReadOnlyDictionary<string, string> Settings, DateTimeOffset Started) About()
    {
        var settings = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var started = _store.Stages().Select(s => (DateTimeOffset?)s.Started).Min() ?? _time.GetUtcNow();
        var path = Path.Combine(_run, "run.json");
        try
        {
            if (!File.Exists(path))
                return (settings, started);
            using var document = JsonDocument.Parse(TextFile.Read(path, "a run.json", 16L << 20));
            var about = document.RootElement;
            if (about.ValueKind != JsonValueKind.Object)
                return (settings, started);
            foreach (var name in new[] { "seed", "model", "pack" })
                if (about.TryGetProperty(name, out var value) && value.ToString() is { Length: > 0 } text)
                    settings[name] = text;
            if (about.TryGetProperty("changed_settings", out var changed) && changed.ValueKind == JsonValueKind.Object)
                foreach (var setting in changed.EnumerateObject())
                    settings[setting.Name] = setting.Value.ToString();
            if (
                about.TryGetProperty("started", out var at)
                && DateTimeOffset.TryParse(at.ToString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            )
                started = time;
        }
        catch (Exception e) when (e is JsonException or HarnessException)
        {
            // The run's figures are there all the same.
        }

        return (settings, started);
    }
}
