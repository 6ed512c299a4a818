using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using OpenAI;
using OpenAI.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Detectors;

/// <summary>
/// A judge behind an endpoint that speaks OpenAI's chat completions. Answers are kept by content, so that a label costs once and is the same again; refusals,
/// answers that are neither yes nor no, and those that were cut before either are classes of their own, and the last are not kept.
/// </summary>
internal sealed class EndpointJudge : IJudge
{
    private readonly DetectorSettings _settings;
    private readonly Rubric _rubric;
    private readonly AnswerCache _cache;
    private readonly JudgeCounter _counter;
    private readonly JudgeCalls _calls;
    private readonly Lock _gate = new();
    private int _elsewhere;

    /// <exception cref="HarnessException">The environment variable that is to hold the key is empty.</exception>
    public EndpointJudge(DetectorSettings settings, Rubric? ofPack = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _rubric = settings.Rubric is { } file ? Rubric.Load(file) : ofPack ?? Rubric.Default;
        _cache = new(settings.Cache);
        _counter = new(settings.PriceInput, settings.PriceOutput);
        var key = settings.KeyVariable == "none" ? "none" : Environment.GetEnvironmentVariable(settings.KeyVariable);
        if (string.IsNullOrEmpty(key))
            throw new HarnessException(
                ErrorKind.BadInput,
                $"no key for the judge at {settings.Endpoint}",
                $"the environment variable {settings.KeyVariable} is empty",
                "the key of the service",
                "set the variable, or key_variable: none for a service without keys"
            );
        // Tries are counted here: the client's own policy knows neither all the errors that pass, nor how to say that it waits.
        var client = new ChatClient(
            settings.Model!,
            new ApiKeyCredential(key),
            new OpenAIClientOptions
            {
                Endpoint = new Uri(settings.Endpoint!),
                RetryPolicy = new ClientRetryPolicy(0),
                NetworkTimeout = TimeSpan.FromSeconds(settings.TimeoutSeconds),
            }
        );
        _calls = new(client, settings, text => Note?.Invoke(text));
        Version =
            "2-"
            + SettingsWriter.Hash(
                settings.Endpoint!,
                settings.Model!,
                Rubric.System,
                Rubric.Ask("", "", "").Text,
                _rubric.Reasoning,
                _rubric.Compliance,
                settings.Threshold.ToString("R", CultureInfo.InvariantCulture),
                Asked(settings)
            )[..12];
    }

    /// <summary>Told of long waits.</summary>
    public Action<string>? Note { get; set; }

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
        var labels = new DetectorLabel[responses.Count];
        var done = 0;
        ForEach(responses.Count, cancellation, i =>
        {
            var r = responses[i];
            labels[i] = JudgeLabels.Asks(r)
                ? JudgeLabels.Of(
                    r,
                    Ask(_rubric.Reasoning, r.Reasoning ?? "", r.Output!, cancellation),
                    Ask(_rubric.Compliance, r.Reasoning ?? "", r.Output!, cancellation),
                    _settings.Threshold
                )
                : JudgeLabels.Broken(r);
            onProgress?.Invoke(Interlocked.Increment(ref done), labels.Length);
        });
        return labels;
    }

    public IReadOnlyList<JudgeAnswer> Complies(IReadOnlyList<string> outputs, CancellationToken cancellation = default)
    {
        var answers = new JudgeAnswer[outputs.Count];
        ForEach(outputs.Count, cancellation, i => answers[i] = Ask(_rubric.Compliance, "", outputs[i], cancellation));
        return answers;
    }

    /// <summary>Asks several at once; the first error ends all.</summary>
    private void ForEach(int count, CancellationToken cancellation, Action<int> ask)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = _settings.Concurrency, CancellationToken = cancellation };
        try
        {
            Parallel.For(0, count, options, ask);
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<HarnessException>().FirstOrDefault() is { } first)
        {
            throw first;
        }
    }

    private JudgeAnswer Ask(string question, string reasoning, string output, CancellationToken cancellation)
    {
        var text = Rubric.Ask(question, reasoning, output).Text;
        if (_settings.Votes == 0)
            return One(text, 0, cancellation);
        var votes = Enumerable.Range(0, _settings.Votes).Select(v => One(text, v, cancellation)).ToArray();
        var read = votes.Where(v => v.Kind == JudgeAnswerKind.Answered).Select(v => v.Yes >= 0.5 ? 1.0 : 0).ToArray();
        return read.Length > 0 ? JudgeAnswer.Of(read.Average())
            : votes.FirstOrDefault(v => v.Kind is JudgeAnswerKind.Refused or JudgeAnswerKind.Cut) is { Kind: not JudgeAnswerKind.Answered } none ? none
            : JudgeAnswer.Unparsable;
    }

    /// <summary>All of the settings that an answer depends on, beside the question.</summary>
    private static string Asked(DetectorSettings s) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{(WantsLogprobs(s) ? "logprobs" : "text")} votes {s.Votes} tokens {s.MaxTokens} thinking {s.Thinking?.ToString() ?? "unset"} "
                + $"temperature {s.AnswerTemperature:R}"
        );

    private static bool WantsLogprobs(DetectorSettings s) => s.Logprobs && s.Votes == 0 && s.Thinking != true;

    private JudgeAnswer One(string text, int vote, CancellationToken cancellation)
    {
        var key = SettingsWriter.Hash("2", _settings.Endpoint!, _settings.Model!, Rubric.System, text, Asked(_settings), $"vote {vote}");
        if (_cache.Find(key) is { } kept)
        {
            _counter.Add(kept.ToAnswer(), 0, 0, cached: true);
            return kept.ToAnswer();
        }

        var reply = _calls.Ask(text, WantsLogprobs(_settings), cancellation);
        var answer = Read(reply);
        // What was cut or empty may be answered when it is asked again, with more tokens or without.
        if (answer.Kind != JudgeAnswerKind.Cut)
            _cache.Keep(key, AnswerCache.Entry.Of(answer, reply.Text, reply.InputTokens, reply.OutputTokens));
        _counter.Add(answer, reply.InputTokens, reply.OutputTokens, cached: false, wordOnly: WantsLogprobs(_settings) && reply.FirstToken is null);
        if (answer.Kind == JudgeAnswerKind.Cut)
            RefuseIfAllAreCut(reply);
        return answer;
    }

    private JudgeAnswer Read(JudgeReply reply)
    {
        if (reply.Refused)
            return JudgeAnswer.Refused;
        if (reply.FirstToken is { } first)
        {
            var (yes, no) = (Mass(1), Mass(0));
            if (yes + no >= JudgeAnswer.LeastMass)
                return JudgeAnswer.Of(yes / (yes + no));
            RefuseIfElsewhere(first, yes, no);
            return JudgeAnswer.Unparsable;

            double Mass(double said) => first.Where(t => JudgeAnswer.Read(t.Token) == said).Sum(t => t.Probability);
        }

        if (JudgeAnswer.Read(reply.Text) is { } word)
            return JudgeAnswer.Of(word);
        return reply.IsCut || string.IsNullOrWhiteSpace(JudgeAnswer.WithoutThoughts(reply.Text)) ? JudgeAnswer.Cut : JudgeAnswer.Unparsable;
    }

    /// <summary>A judge that was asked a few questions and whose answers were all cut is asked no more.</summary>
    private void RefuseIfAllAreCut(JudgeReply reply)
    {
        const int Enough = 4;
        var usage = _counter.Usage;
        if (usage.Cut < Enough || usage.Cut < usage.Questions - usage.FromCache)
            return;
        throw new HarnessException(
            ErrorKind.Resource,
            $"the judge {Name} ends before it answers yes or no",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{usage.Cut} of {usage.Cut} answers were {(reply.IsCut ? $"cut at max_tokens, which is {_settings.MaxTokens}" : "empty")}"
            ),
            "a yes or a no within max_tokens",
            "set max_tokens higher (a judge that thinks needs thousands), or thinking: false; none of these answers was kept"
        );
    }

    private void RefuseIfElsewhere(IReadOnlyList<(string Token, double Probability)> first, double yes, double no)
    {
        const int Enough = 4;
        int low;
        lock (_gate)
            low = ++_elsewhere;
        if (low < Enough || low < _counter.Usage.Questions - _counter.Usage.FromCache)
            return;
        throw JudgeAnswer.Elsewhere(
            Name,
            yes,
            no,
            first.Select(t => (t.Token, t.Probability)).DefaultIfEmpty(("", double.NaN)).MaxBy(t => t.Item2),
            "set logprobs: false, so that the answer is read as a word, or thinking: false"
        );
    }
}
