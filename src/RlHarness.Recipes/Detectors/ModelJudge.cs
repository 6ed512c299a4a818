using System.Globalization;
using System.Security.Cryptography;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Collectives;
using RlHarness.Training.Rollouts;
using TorchSharp;

namespace RlHarness.Recipes.Detectors;

/// <summary>
/// A local model as judge: any model that loads, by its own chat template. P(yes) is the next token's mass on spellings of yes over that on yes and no, or the
/// share of yes among sampled answers. Nothing leaves the machine, and nothing gets retired.
/// </summary>
internal sealed class ModelJudge : IJudge, IDisposable
{
    private const int TokensAtOnce = 4096;

    private readonly DetectorSettings _settings;
    private readonly Rubric _rubric;
    private readonly Lazy<LoadedModel> _model;
    private readonly Seeds _seeds;
    private readonly TimeProvider _clock;
    private readonly JudgeCounter _counter = new();
    private readonly Ranks _ranks;

    /// <param name="open">Loads the model; called at the first question.</param>
    /// <param name="identity">Names the weights in the version, and the date where the template reads it.</param>
    /// <param name="clock">What the chat template reads.</param>
    /// <param name="ranks">Among whom questions are dealt out.</param>
    public ModelJudge(DetectorSettings settings, Rubric rubric, Func<LoadedModel> open, string identity, Seeds seeds, TimeProvider clock, Ranks? ranks = null)
    {
        (_settings, _rubric, _seeds, _model, _clock) = (settings, rubric, seeds.Child("model_judge"), new(open), clock);
        _ranks = ranks ?? Ranks.Alone;
        Version =
            "2-"
            + SettingsWriter.Hash(
                identity,
                Rubric.System,
                Rubric.Ask("", "", "").Text,
                rubric.Reasoning,
                rubric.Compliance,
                settings.Prefix,
                settings.Threshold.ToString("R", CultureInfo.InvariantCulture),
                settings.Votes == 0
                    ? "next token"
                    : string.Create(
                        CultureInfo.InvariantCulture,
                        $"votes {settings.Votes} tokens {settings.MaxTokens} thinking {settings.Thinking == true} temperature "
                            + $"{settings.AnswerTemperature:R} seed {seeds.Root}"
                    )
            )[..12];
    }

    /// <summary>Opens a judge from a model's folder or file; the rubric is the settings' own, else that of the pack, else the built-in one.</summary>
    public static ModelJudge Open(DetectorSettings settings, torch.Device device, Seeds seeds, Rubric? ofPack, TimeProvider clock, Ranks? ranks = null)
    {
        var path = ModelLibrary.Find(settings.Path!);
        var identity = ModelFiles.Hash(path);
        if (Tokenizer.TemplateReadsClockAt(path))
            identity += clock.GetLocalNow().ToString(RunSettings.DateFormat, CultureInfo.InvariantCulture);
        var rubric = settings.Rubric is { } file ? Rubric.Load(file) : ofPack ?? Rubric.Default;
        return new(settings, rubric, () => ModelLoader.Load(path, device), identity, seeds, clock, ranks);
    }

    public string Name => _settings.Label;

    public string Version { get; }

    public JudgeUsage Usage => _counter.Usage;

    public DetectorLabel Label(ParsedResponse response) => LabelAll([response])[0];

    public IReadOnlyList<DetectorLabel> LabelAll(
        IReadOnlyList<ParsedResponse> responses,
        CancellationToken cancellation = default,
        Action<int, int>? onProgress = null
    )
    {
        var asked = responses.Where(JudgeLabels.Asks).ToArray();
        var questions = asked
            .SelectMany(r =>
                new[] { Rubric.Ask(_rubric.Compliance, r.Reasoning ?? "", r.Output!), Rubric.Ask(_rubric.Reasoning, r.Reasoning ?? "", r.Output!) }
            )
            .ToArray();
        var answers = Answers(questions, cancellation, onProgress);
        var at = 0;
        return
        [
            .. responses.Select(r =>
                JudgeLabels.Asks(r) ? JudgeLabels.Of(r, answers[at++ * 2 + 1], answers[(at - 1) * 2], _settings.Threshold) : JudgeLabels.Broken(r)
            ),
        ];
    }

    public IReadOnlyList<JudgeAnswer> Complies(IReadOnlyList<string> outputs, CancellationToken cancellation = default) =>
        Answers([.. outputs.Select(output => Rubric.Ask(_rubric.Compliance, "", output))], cancellation);

    private JudgeAnswer[] Answers(JudgeQuestion[] questions, CancellationToken cancellation, Action<int, int>? onProgress = null) =>
        questions.Length == 0 ? []
        : _settings.Votes == 0 ? Probabilities(questions, cancellation, onProgress)
        : Votes(questions, cancellation);

    public void Dispose()
    {
        if (_model.IsValueCreated)
            _model.Value.Dispose();
    }

    private int[][] Prompts(JudgeQuestion[] questions, out bool opensThought)
    {
        var prompt = new JudgePrompt(
            _model.Value.Tokenizer
                ?? throw HarnessException.BadFile(_model.Value.Source, "a judge needs a tokenizer", "none", "a model with its tokenizer and chat template"),
            _settings.Thinking == true,
            _settings.Prefix,
            Name,
            _clock
        );
        int[][] ids = [.. questions.Select(prompt.Ids)];
        opensThought = prompt.OpensThought;
        return ids;
    }

    private static long Number(int[] ids) =>
        BitConverter.ToInt64(SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(ids.AsSpan()))) & long.MaxValue;

    private JudgeAnswer[] Probabilities(JudgeQuestion[] questions, CancellationToken cancellation, Action<int, int>? onProgress)
    {
        var prompts = Prompts(questions, out _);
        // Neighbours share most of their prompt: each rank has a run of them.
        int Start(int rank) => (int)((long)prompts.Length * rank / _ranks.Size);
        var shares = _ranks.Gather($"answers of {Name}", () =>
        {
            var own = prompts[Start(_ranks.Rank)..Start(_ranks.Rank + 1)];
            var stop = _ranks.IsAlone ? cancellation : _ranks.Asked;
            return (double[])[.. Probabilities(own, stop, onProgress).SelectMany(a => new[] { a.Yes, (double)a.Kind })];
        });
        JudgeAnswer[] answers = [.. shares.SelectMany(s => s.Chunk(2)).Select(a => new JudgeAnswer(a[0], (JudgeAnswerKind)(int)a[1]))];
        for (var i = 0; i < answers.Length; i++)
            _counter.Add(answers[i], prompts[i].Length, 1, cached: false);
        return answers;
    }

    /// <summary>Answers to prompts, by one pass over them.</summary>
    private JudgeAnswer[] Probabilities(int[][] prompts, CancellationToken cancellation, Action<int, int>? onProgress)
    {
        var decoder = _model.Value.Decoder;
        var (yes, no) = (Spellings("yes"), Spellings("no"));
        var answers = new JudgeAnswer[prompts.Length];
        var elsewhere = new List<(double Yes, double No, int Token, double Mass)>();
        for (var from = 0; from < prompts.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            var to = from + 1;
            var tokens = prompts[from].Length;
            while (to < prompts.Length && tokens + prompts[to].Length <= TokensAtOnce)
                tokens += prompts[to++].Length;
            using var guard = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            using var batch = TokenBatch.Pack(prompts[from..to], decoder.Device, int.MaxValue, decoder.SharesDeeply);
            var hidden = decoder.Forward(batch); // [N, H]
            long[] last = [.. Enumerable.Range(0, to - from).Select(i => (long)batch.RowOf(i, prompts[from + i].Length - 1))];
            var mass = torch.softmax(decoder.Logits(hidden.index_select(0, torch.tensor(last, device: decoder.Device))), 1); // [B, V]
            var (most, at) = mass.max(1);
            var numbers = HostReads.Numbers(Sum(mass, yes), Sum(mass, no), most, at);
            most.Dispose();
            at.Dispose();
            var (p, q) = (numbers[0], numbers[1]);
            foreach (var sum in p.Concat(q))
                HarnessException.Finite(sum, $"{Name}: the probability of yes or no");
            elsewhere.AddRange(
                Enumerable.Range(0, to - from).Where(i => !(p[i] + q[i] >= JudgeAnswer.LeastMass)).Select(i => (p[i], q[i], (int)numbers[3][i], numbers[2][i]))
            );
            for (var i = from; i < to; i++)
            {
                var (a, b) = (p[i - from], q[i - from]);
                answers[i] = a + b >= JudgeAnswer.LeastMass ? JudgeAnswer.Of(a / (a + b)) : JudgeAnswer.Unparsable;
            }

            from = to;
            onProgress?.Invoke(to, prompts.Length);
            // A judge that begins most of its answers otherwise is not read at all; a few such questions have no answer.
            if (2 * elsewhere.Count > to)
                throw JudgeAnswer.Elsewhere(
                    Name,
                    elsewhere[0].Yes,
                    elsewhere[0].No,
                    (_model.Value.Tokenizer!.Decode([elsewhere[0].Token]), elsewhere[0].Mass),
                    "set votes: 5 (sampled answers), or prefix to the words that its answer begins with"
                );
        }

        return answers;
    }

    private static torch.Tensor Sum(torch.Tensor mass, long[] ids) => mass.index_select(1, torch.tensor(ids, device: mass.device)).sum(1L);

    private JudgeAnswer[] Votes(JudgeQuestion[] questions, CancellationToken cancellation)
    {
        var model = _model.Value;
        var prompts = Prompts(questions, out var opensThought);
        var thought = opensThought ? JudgePrompt.Thought : "";
        var sampling = new SamplingSettings
        {
            Temperature = _settings.AnswerTemperature,
            MaxNewTokens = _settings.MaxTokens,
            StopIds = model.StopIds,
        };
        var worker = new RolloutWorker(model.Decoder, model.Tokenizer!, sampling, _seeds, _ranks);
        var rollouts = worker.Run(
            // Draws are by what is asked and not by its place, so that a response has one label whatever it stands among.
            [.. prompts.SelectMany(p => Enumerable.Range(0, _settings.Votes).Select(v => new GenerationRequest(p, Number(p), v)))],
            step: 0,
            cancellation: cancellation
        );
        JudgeAnswer[] answers =
        [
            .. rollouts
                .Chunk(_settings.Votes)
                .Select(
                    (votes, i) =>
                    {
                        var read = votes.Select(v => JudgeAnswer.Read(thought + v.Text)).OfType<double>().ToArray();
                        var answer =
                            read.Length > 0 ? JudgeAnswer.Of(read.Average())
                            : votes.All(v => v.Finish == FinishReason.Length) ? JudgeAnswer.Cut
                            : JudgeAnswer.Unparsable;
                        _counter.Add(answer, (long)prompts[i].Length * votes.Length, votes.Sum(v => (long)v.ResponseIds.Count), cached: false);
                        return answer;
                    }
                ),
        ];
        if (answers.All(a => a.Kind == JudgeAnswerKind.Cut))
            throw new HarnessException(
                ErrorKind.BadFile,
                $"the judge {Name} ends before it answers yes or no",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"all answers to {answers.Length} questions were " + $"cut at max_tokens, which is {_settings.MaxTokens}"
                ),
                "a yes or a no within max_tokens",
                "set max_tokens higher (a judge that thinks needs thousands), or thinking: false"
            );
        return answers;
    }

    /// <summary>Single tokens that read as the word, with and without a space before it.</summary>
    private long[] Spellings(string word)
    {
        var tokenizer = _model.Value.Tokenizer!;
        var capital = char.ToUpperInvariant(word[0]) + word[1..];
        var ids = new[] { word, capital, word.ToUpperInvariant() }
            .SelectMany(w => new[] { w, " " + w })
            .Select(w => tokenizer.Encode(w))
            .Where(i => i.Length == 1)
            .Select(i => (long)i[0])
            .Distinct()
            .ToArray();
        return ids.Length > 0
            ? ids
            : throw HarnessException.BadFile(
                _model.Value.Source,
                $"the judge's tokenizer has no token for \"{word}\"",
                "it is split into several",
                "a model of English, or votes: 5 (sampled answers)"
            );
    }
}
