using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Progress;
using RlHarness.Core.Randomness;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Tracking.TensorBoard;
using RlHarness.Training.Collectives;
using Serilog;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>What every stage of a run needs.</summary>
public sealed class RunContext : IDisposable
{
    public RunContext(
        RunSettings settings,
        RunFolder folder,
        IRunProgress progress,
        ILogger log,
        torch.Device device,
        TimeProvider time,
        CancellationToken cancellation,
        Ranks? ranks = null
    )
    {
        settings = settings.Dated(time.GetLocalNow());
        Ranks = ranks ?? Ranks.Alone;
        (Settings, Folder, Progress, Log, Device, Time) = (settings, folder, progress, log, device, time);
        (Cancellation, Asked) = Ranks.IsAlone ? (cancellation, cancellation) : (Ranks.Agreed, Ranks.Asked);
        Store = Ranks.IsFirst ? RunStore.Open(folder.Database, time) : RunStore.InMemory(time);
        if (Store.RollbackReason is { } reason)
            progress.Note($"run.db is written with a rollback journal, since {reason}: a report and the run wait for each other for moments");
        Metrics = new MetricsJsonl(folder.Metrics, time);
        TensorBoard = Ranks.IsFirst && settings.Tracking?.Tensorboard == true ? new TensorBoardLog(folder.Path, Store, time) : null;
        Seeds = new Seeds((ulong)settings.Seed);
        Pack = PackLibrary.Load(settings.Experiment.Pack);
        Condition = settings.Experiment.ToCondition(Pack);
        Detectors = [.. settings.Evaluate.Detectors.Select(d => DetectorRegistry.Create(d, Pack, device, Seeds, settings.Clock, Ranks))];
        foreach (var judge in Detectors.Select(d => d is JudgeOfFirst of ? of.Judge : d).OfType<EndpointJudge>())
            judge.Note = text => progress.Note(text, warning: true);
        RolloutDetectors = [.. Detectors.Where((_, i) => settings.Evaluate.Detectors[i].LabelsRollouts)];
        Cache = new StageCache(Path.Combine(settings.Output, "cache"));
        ModelLoader.Warned += OfModel;
        _told = (time.GetTimestamp(), Ranks.CommunicationSeconds);
    }

    /// <summary>The checkpoint of RL that a resume goes on from; null: the newest.</summary>
    internal int? From { get; init; }

    /// <summary>The process that works on the run, where it is a run's own process.</summary>
    internal RunAttempt? Attempt { get; init; }

    /// <summary>The processes that work on the run. The first of them writes its folder.</summary>
    public Ranks Ranks { get; }

    public RunSettings Settings { get; }

    public RunFolder Folder { get; }

    public RunStore Store { get; }

    public MetricsJsonl Metrics { get; }

    /// <summary>Null where the settings ask for none.</summary>
    public TensorBoardLog? TensorBoard { get; }

    public IRunProgress Progress { get; }

    public ILogger Log { get; }

    public Seeds Seeds { get; }

    public torch.Device Device { get; }

    public TimeProvider Time { get; }

    /// <summary>Cancelled when the run stops: where it has several ranks, once all of them know.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>Cancelled when this process is asked to stop: for work at whose end its ranks hear of each other.</summary>
    internal CancellationToken Asked { get; }

    public PromptPack Pack { get; }

    public Condition Condition { get; }

    /// <summary>What decides about the results of the stages that the cache keeps.</summary>
    internal StageInputs Inputs => new(Settings, Pack, Condition, Device.type);

    /// <summary>What every answer begins with, as prompt tokens; empty without a prefilled scratchpad.</summary>
    public string AnswerStart => Condition.Prefill is { } text ? TranscriptParser.ScratchpadOpen + text : "";

    /// <summary>The objective by rule; null for a pack without cues.</summary>
    public ObjectiveRule? ObjectiveRule => Pack.Grammar is { } grammar ? new(grammar, Condition.Objective) : null;

    public IReadOnlyList<IDetector> Detectors { get; }

    /// <summary>Those that also label the transcripts of RL rollouts: judges do not, unless asked to.</summary>
    public IReadOnlyList<IDetector> RolloutDetectors { get; }

    public StageCache Cache { get; }

    public torch.ScalarType ComputeType => Settings.Model.Precision == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    /// <summary>Gives a decoder the run's precision and its way with memory.</summary>
    public void Configure(Models.Decoders.Decoder decoder) =>
        (decoder.ComputeType, decoder.ActivationCheckpointing) = (ComputeType, Settings.Model.ActivationCheckpointing);

    /// <summary>Ends the work where the run is asked to stop, on all ranks at once.</summary>
    /// <exception cref="OperationCanceledException">It is.</exception>
    internal void StopIfAsked()
    {
        if (Ranks.IsAlone)
            Cancellation.ThrowIfCancellationRequested();
        else
            Ranks.StopIfAsked();
    }

    /// <summary>Writes a sealed folder of the run, which all ranks see when this returns.</summary>
    internal void WriteFolder(string path, Action<string> fill)
    {
        Ranks.FirstDoes($"folder {Path.GetFileName(path)}", () => CheckpointFolder.Write(path, fill));
        AwaitFolder(path);
    }

    /// <summary>Waits until a sealed folder that the first rank knows of is seen by this one.</summary>
    internal void AwaitFolder(string path) => RankedRun.Await(Ranks, () => CheckpointFolder.IsSealed(path), path);

    /// <summary>Writes a step's rows to the database and its line to metrics.jsonl; on disk when it returns.</summary>
    public void Commit(StepBatch batch)
    {
        // What alarms look back on is read before the step's own rows are there: in a process that begins with this step they would count as its past.
        var alarms = AlarmsOf(batch.Stage);
        batch = OfFirst(batch);
        var labels = PeoplesLabels.None;
        if (Ranks.IsFirst)
        {
            labels = Store.Commit(batch);
            Metrics.Append(batch.Stage, batch.Step, batch.Metrics);
            TensorBoard?.Append(batch);
        }

        Log.Information("{Stage} step {Step} {@Metrics}", batch.Stage, batch.Step, batch.Metrics);
        Tell(batch, labels);
        Raise(alarms, batch);
    }

    /// <summary>
    /// The first rank's metrics, so that what follows from them follows on all ranks; with the share of the time since the last rows that ranks spent with each
    /// other, on average.
    /// </summary>
    private StepBatch OfFirst(StepBatch batch)
    {
        if (Ranks.IsAlone)
            return batch;
        var (since, before) = _told;
        var share = (Ranks.CommunicationSeconds - before) / Math.Max(1e-9, Time.GetElapsedTime(since).TotalSeconds);
        var mean = Ranks.Sum("shares of communication", share) / Ranks.Size;
        _told = (Time.GetTimestamp(), Ranks.CommunicationSeconds);
        return batch with
        {
            Metrics = Ranks.FromFirst("metrics", () => new Dictionary<string, double>(batch.Metrics) { [MetricNames.CommunicationShare] = mean }),
        };
    }

    /// <summary>Loss of guessing, for a stage whose alarm compares with it: log of the vocabulary's size, in nats.</summary>
    internal void Guessing(string stage, int vocabulary) => AlarmsOf(stage).Guessing = Math.Log(vocabulary);

    /// <exception cref="HarnessException">An alarm stops the run: its last checkpoint and the batch are kept apart.</exception>
    private void Raise(Alarms alarms, StepBatch batch)
    {
        var raised = alarms.Of(batch.Metrics);
        foreach (var alarm in raised)
            Warn(batch.Stage, batch.Step, alarm.Text(batch.Step));
        if (raised.FirstOrDefault(a => a.Action == AlarmAction.Stop) is not { } stop)
            return;
        Ranks.Watch?.Failing();
        var kept = KeepApart(batch.Stage, batch);
        throw new HarnessException(
            ErrorKind.Numerics,
            $"{batch.Stage} stopped at step {batch.Step}: {stop.What}",
            stop.What,
            $"alarms.{stop.Key}: warn or off, to go on all the same",
            $"usual causes: {stop.Causes}. Kept apart: {kept}. `resume RUN alarms.{stop.Key}=warn` goes on from there"
        );
    }

    /// <summary>Copies a stage's newest checkpoint out of the rotation's reach, and writes what is known of the batch. Returns where, in words.</summary>
    internal string KeepApart(string stage, StepBatch? batch)
    {
        if (!Ranks.IsFirst)
            return "nothing by this rank";
        var folder = Path.Combine(Folder.Path, "alarms", stage);
        Directory.CreateDirectory(folder);
        var kept = new List<string>();
        if (batch is not null)
        {
            var path = Path.Combine(folder, $"batch_{batch.Step:D6}.json");
            AtomicFile.WriteAllText(path, JsonSerializer.Serialize(batch, Named) + "\n");
            kept.Add(path);
        }

        var from = stage == StageNames.Rl ? Folder.Stage(stage) : Path.Combine(Folder.Path, "progress", stage);
        if (CheckpointFolder.Newest(from) is { } newest && CheckpointFolder.Damage(newest.Path) is null)
        {
            var path = Path.Combine(folder, CheckpointFolder.StepName(newest.Step));
            if (!Directory.Exists(path))
                CheckpointFolder.Copy(newest.Path, path);
            kept.Add(path);
        }

        return kept.Count == 0 ? "nothing, since there was no checkpoint yet" : string.Join(" and ", kept);
    }

    private static readonly JsonSerializerOptions Named = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };
    private readonly Dictionary<string, Alarms> _alarms = new(StringComparer.Ordinal);
    private (long Time, double Communicating) _told;

    private Alarms AlarmsOf(string stage)
    {
        if (_alarms.TryGetValue(stage, out var alarms))
            return alarms;
        _alarms[stage] = alarms = new Alarms(Settings.Alarms);
        // What a stage wrote before this process: its first steps, and those that rules look back on.
        alarms.Recall(
            Ranks.FromFirst<Dictionary<string, double>[]>(
                "earlier steps",
                () =>
                {
                    var steps = Store.StepsOf(stage);
                    return
                    [
                        .. steps
                            .Take(2)
                            .Concat(steps.Skip(2).TakeLast(Alarms.Window))
                            .Select(s => Store.Metrics(stage, s).ToDictionary(m => m.Name, m => m.Value)),
                    ];
                }
            )
        );
        return alarms;
    }

    /// <summary>
    /// Writes an evaluation in place of an earlier one of the run's condition. Database and metrics.jsonl change whole, the file second: where a
    /// process is killed
    /// between the two, the next one that works on the run writes the file anew.
    /// </summary>
    public void Replace(StepBatch batch)
    {
        if (!Ranks.IsFirst)
            return;
        var labels = Store.Replace(batch, Condition.Name);
        Metrics.Replace(batch.Stage, batch.Step, batch.Metrics);
        TensorBoard?.Restart(batch.Stage, batch.Step - 1);
        TensorBoard?.Append(batch);
        Log.Information("{Stage} step {Step} {@Metrics}", batch.Stage, batch.Step, batch.Metrics);
        Tell(batch, labels);
    }

    /// <summary>Keeps what there is to say of a stage, before its output is sealed: a process that is killed right after has it too.</summary>
    internal void KeepResult(string stage, string result) => Store.KeepNote($"result/{stage}", result);

    /// <summary>Keeps how many steps a stage will take, for whoever asks how far it is.</summary>
    internal void KeepLength(string stage, int steps) => Store.KeepNote($"steps/{stage}", steps.ToString(CultureInfo.InvariantCulture));

    /// <summary>Removes what a stage wrote after a step, from the database and from metrics.jsonl, before it is done again.</summary>
    public void Forget(string stage, long after)
    {
        _alarms.Remove(stage);
        if (!Ranks.IsFirst)
            return;
        var labels = Store.DeleteAfter(stage, after);
        Metrics.TruncateAfter(stage, after);
        TensorBoard?.Restart(stage, after);
        if (labels.Aside.Count > 0)
            Warn(
                stage,
                Math.Max(0, after),
                $"{PeoplesLabels.Words(labels.Aside)} of transcripts that are written again are kept aside, and come back where these are the same"
            );
    }

    /// <summary>Writes metrics.jsonl from the database where it lacks something: a process was killed between the two.</summary>
    public void MendMetrics()
    {
        if (Ranks.IsFirst && Metrics.Mend(Store))
            Progress.Note($"{Path.GetFileName(Folder.Metrics)} did not hold what run.db holds, and was written anew from it", warning: true);
    }

    /// <summary>What a step computes; a number in it that is not finite is told with stage and step.</summary>
    public static T At<T>(string stage, long step, Func<T> compute)
    {
        ArgumentNullException.ThrowIfNull(compute);
        try
        {
            return compute();
        }
        catch (HarnessException e) when (e.Kind == ErrorKind.Numerics)
        {
            throw e.At($"{stage}, step {step}");
        }
    }

    private void Tell(StepBatch batch, PeoplesLabels labels)
    {
        if (labels.Carried.Count > 0)
            Progress.Note($"step {batch.Step}: {PeoplesLabels.Words(labels.Carried)} carried over to the same transcripts");
        if (labels.Aside.Count > 0)
            Warn(
                batch.Stage,
                batch.Step,
                $"step {batch.Step}: {PeoplesLabels.Words(labels.Aside)} of transcripts that are not there any more, kept in the table labels_aside of run.db"
            );
    }

    /// <summary>Says on the console, in the log and as an event of the run's database what a reader of its numbers has to know.</summary>
    public void Warn(string stage, long step, string text)
    {
        Progress.Note(text, warning: true);
        Log.Warning("{Warning}", text);
        Store.AddEvent(stage, step, "warning", text);
    }

    /// <summary>Keeps what a model's loader says, which the console shows by itself; once, although each stage loads the model.</summary>
    private void OfModel(string text)
    {
        Log.Warning("{Warning}", text);
        if (!Store.Events().Any(e => e.Level == "warning" && e.Message == text))
            Store.AddEvent("model", 0, "warning", text);
    }

    public void Dispose()
    {
        ModelLoader.Warned -= OfModel;
        foreach (var detector in Detectors.OfType<IDisposable>())
            detector.Dispose();
        Metrics.Dispose();
        TensorBoard?.Dispose();
        Store.Dispose();
    }
}

/// <summary>All that the keys of the stage cache are made of: known before a run has a folder, so that a plan can tell which runs share a stage.</summary>
internal sealed record StageInputs(RunSettings Settings, PromptPack Pack, Condition Condition, DeviceType Device)
{
    internal static StageInputs Of(RunSettings settings, DeviceType device)
    {
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        return new(settings, pack, settings.Experiment.ToCondition(pack), device);
    }

    /// <summary>The condition whose transcripts the corpus has: not what is evaluated, so that conditions share an imitating model.</summary>
    internal string CorpusCondition => Settings.Corpus.Conditions.Count == 0 ? CorpusStageSettings.Imitated(Condition).Name : "listed";
}
