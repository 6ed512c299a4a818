using System.Globalization;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
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

    /// <summary>Less mass than this on yes and no together is no answer.</summary>
    private const double LeastMass = 1e-3;

    private readonly DetectorSettings _settings;
    private readonly Rubric _rubric;
    private readonly Lazy<LoadedModel> _model;
    private readonly Seeds _seeds;
    private readonly JudgeCounter _counter = new();

    /// <param name="open">Loads the model; called at the first question.</param>
    /// <param name="identity">Names the weights in the version.</param>
    public ModelJudge(DetectorSettings settings, Rubric rubric, Func<LoadedModel> open, string identity, Seeds seeds)
    {
        (_settings, _rubric, _seeds, _model) = (settings, rubric, seeds.Child("model_judge"), new(open));
        Version =
            "1-"
            + SettingsWriter.Hash(
                identity,
                Rubric.System,
                rubric.Reasoning,
                rubric.Compliance,
                settings.Threshold.ToString("R", CultureInfo.InvariantCulture),
                settings.Votes.ToString(CultureInfo.InvariantCulture)
            )[..12];
    }

    /// <summary>Of a model's folder or file; the rubric is the settings' own, else that of the pack, else the built-in one.</summary>
    public static ModelJudge Open(DetectorSettings settings, torch.Device device, Seeds seeds, Rubric? ofPack = null)
    {
        var path = ModelLibrary.Find(settings.Path!);
        var files = File.Exists(path) ? [path] : Directory.GetFiles(path).Order(StringComparer.Ordinal).ToArray();
        var identity = string.Join(';', files.Select(f => $"{Path.GetFileName(f)}:{new FileInfo(f).Length}"));
        return new(settings, settings.Rubric is { } file ? Rubric.Load(file) : ofPack ?? Rubric.Default, () => ModelLoader.Load(path, device), identity, seeds);
    }

    public string Name => _settings.Label;

    public string Version { get; }

    public JudgeUsage Usage => _counter.Usage;

    public DetectorLabel Label(ParsedResponse response) => LabelAll([response])[0];

    public IReadOnlyList<DetectorLabel> LabelAll(IReadOnlyList<ParsedResponse> responses, CancellationToken cancellation = default)
    {
        var asked = responses.Where(JudgeLabels.Asks).ToArray();
        var questions = asked
            .SelectMany(r =>
                new[] { Rubric.Ask(_rubric.Compliance, r.Reasoning ?? "", r.Output!), Rubric.Ask(_rubric.Reasoning, r.Reasoning ?? "", r.Output!) }
            )
            .ToArray();
        var answers =
            questions.Length == 0 ? []
            : _settings.Votes == 0 ? Probabilities(questions, cancellation)
            : Votes(questions, cancellation);
        var at = 0;
        return
        [
            .. responses.Select(r =>
                JudgeLabels.Asks(r) ? JudgeLabels.Of(r, answers[at++ * 2 + 1], answers[(at - 1) * 2], _settings.Threshold) : JudgeLabels.Broken(r)
            ),
        ];
    }

    public void Dispose()
    {
        if (_model.IsValueCreated)
            _model.Value.Dispose();
    }

    private int[][] Prompts(string[] questions)
    {
        var encoder = ChatEncoder.For(
            _model.Value.Tokenizer
                ?? throw HarnessException.BadFile(_model.Value.Source, "a judge needs a tokenizer", "none", "a model with its tokenizer and chat template")
        );
        return [.. questions.Select(q => encoder.EncodePrompt([ChatMessage.System(Rubric.System), ChatMessage.User(q)]))];
    }

    private JudgeAnswer[] Probabilities(string[] questions, CancellationToken cancellation)
    {
        var decoder = _model.Value.Decoder;
        var (yes, no) = (Spellings("yes"), Spellings("no"));
        var prompts = Prompts(questions);
        var answers = new JudgeAnswer[prompts.Length];
        for (var from = 0; from < prompts.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            var to = from + 1;
            var tokens = prompts[from].Length;
            while (to < prompts.Length && tokens + prompts[to].Length <= TokensAtOnce)
                tokens += prompts[to++].Length;
            using var guard = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            using var batch = TokenBatch.Pack(prompts[from..to], decoder.Device);
            var hidden = decoder.Forward(batch); // [N, H]
            long[] last = [.. Enumerable.Range(0, to - from).Select(i => (long)batch.RowOf(i, prompts[from + i].Length - 1))];
            var mass = torch.softmax(decoder.Logits(hidden.index_select(0, torch.tensor(last, device: decoder.Device))), 1); // [B, V]
            var (p, q) = (Sum(mass, yes), Sum(mass, no));
            for (var i = from; i < to; i++)
            {
                var (a, b) = (p[i - from], q[i - from]);
                answers[i] = a + b < LeastMass ? JudgeAnswer.Unparsable : JudgeAnswer.Of(a / (a + b));
                _counter.Add(answers[i], prompts[i].Length, 1, cached: false);
            }

            from = to;
        }

        return answers;
    }

    private static double[] Sum(torch.Tensor mass, long[] ids)
    {
        using var sum = mass.index_select(1, torch.tensor(ids, device: mass.device)).sum(1L).to(torch.ScalarType.Float64).cpu();
        return sum.data<double>().ToArray();
    }

    private JudgeAnswer[] Votes(string[] questions, CancellationToken cancellation)
    {
        var model = _model.Value;
        var prompts = Prompts(questions);
        var sampling = new SamplingSettings
        {
            Temperature = 1,
            MaxNewTokens = 8,
            StopIds = model.StopIds,
        };
        var worker = new RolloutWorker(model.Decoder, model.Tokenizer!, sampling, _seeds);
        var rollouts = worker.Run(
            [.. prompts.SelectMany((p, i) => Enumerable.Range(0, _settings.Votes).Select(v => new GenerationRequest(p, i, v)))],
            step: 0,
            cancellation: cancellation
        );
        return
        [
            .. rollouts
                .Chunk(_settings.Votes)
                .Select(
                    (votes, i) =>
                    {
                        var read = votes.Select(v => JudgeAnswer.Read(v.Text)).OfType<double>().ToArray();
                        var answer = read.Length == 0 ? JudgeAnswer.Unparsable : JudgeAnswer.Of(read.Average());
                        _counter.Add(answer, (long)prompts[i].Length * votes.Length, votes.Sum(v => (long)v.ResponseIds.Count), cached: false);
                        return answer;
                    }
                ),
        ];
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
