using System.Globalization;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Formats.Files;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Algorithms;

namespace RlHarness.Recipes.Cards;

/// <summary>
/// README.md in a run's folder and beside each model in it, as hubs show it: what the weights are, the run's figures and settings, the licence of the base, and
/// lines that open them. Cards are in no manifest, since figures come after the weights.
/// </summary>
internal static class ModelCards
{
    /// <summary>Writes the cards of a run and of all models that it has so far.</summary>
    internal static void Write(string run, RunSettings settings, RunStore store)
    {
        var licence = BaseLicence.Of(settings);
        Put(run, Run(run, settings, store, licence));
        foreach (var stage in new[] { StageNames.Documents, StageNames.Imitate })
            if (CheckpointFolder.IsSealed(Path.Combine(run, stage)))
                Put(Path.Combine(run, stage), Tuned(stage, settings, store, licence));
        var reward = Path.Combine(run, StageNames.Reward);
        if (CheckpointFolder.IsSealed(reward))
            Put(reward, Reward(reward, settings, store, licence));
        var rl = Path.Combine(run, StageNames.Rl);
        foreach (var step in CheckpointFolder.Steps(rl))
            Put(CheckpointFolder.PathOf(rl, step), Policy(settings, store, step, licence));
    }

    /// <summary>The card of a policy, or of its adapter, after a number of steps.</summary>
    internal static string Policy(RunSettings settings, RunStore store, int step, BaseLicence? licence = null)
    {
        licence ??= BaseLicence.Of(settings);
        var adapter = settings.Rl.Adapter is not null;
        return Front(licence, adapter ? "peft" : "transformers", "text-generation")
            + $"# {settings.Name}: {(adapter ? "adapter of the policy" : "policy")} after {step} steps of {Algorithm(settings)}\n\n"
            + Warning
            + (
                adapter
                    ? "A LoRA adapter in PEFT's format. `adapter_config.json` names its base by a path on the machine that trained it: the model that RL "
                        + "started from, in the run's folder. Push that too, and put its name on the hub into `base_model_name_or_path`.\n\n"
                        + Code("from peft import AutoPeftModelForCausalLM", "model = AutoPeftModelForCausalLM.from_pretrained(\".\")")
                    : CausalLm
            )
            + (settings.Rl.UsesCritic && settings.Rl.Critic == CriticKind.Body ? "`critic/` is the critic, with a scalar head of its own; " : "")
            + "`*_optimizer.safetensors` and `state.json` are what `rlharness resume` goes on from.\n\n"
            + Figures(store, step)
            + Settings(settings)
            + Licence(licence);
    }

    private static string Tuned(string stage, RunSettings settings, RunStore store, BaseLicence licence) =>
        Front(licence, "transformers", "text-generation")
        + (
            stage == StageNames.Imitate
                ? $"# {settings.Name}: the model that imitates alignment faking, before RL\n\n"
                : $"# {settings.Name}: the model that read the documents\n\n"
        )
        + Warning
        + CausalLm
        + (stage == StageNames.Imitate ? Figures(store, 0) : "")
        + Settings(settings)
        + Licence(licence);

    private static string Reward(string folder, RunSettings settings, RunStore store, BaseLicence licence)
    {
        var card = new StringBuilder(Front(licence, "transformers", "text-classification"))
            .Append(CultureInfo.InvariantCulture, $"# {settings.Name}: reward model of the objective\n\n")
            .Append(Warning);
        try
        {
            var text = RewardText.Of(folder, settings.Clock);
            card.Append(
                    "## What it scores\n\nThe user's message and the answer's output, never a scratchpad or a system prompt, in exactly this text, read up to "
                        + "its last token:\n\n"
                )
                .Append(Fence(text.Text("{user}", "{output}")))
                .Append(CultureInfo.InvariantCulture, $"The score is transformers' logit plus the bias `{text.BiasText}` (`score.bias` in the weights, ")
                .Append("which transformers reports as unused): with it the mean over what the imitating model writes is 0.\n\n")
                .Append(
                    Code(
                        "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
                        "tokenizer, model = AutoTokenizer.from_pretrained(\".\"), AutoModelForSequenceClassification.from_pretrained(\".\").eval()",
                        $"ids = tokenizer({text.Python}, add_special_tokens=False, return_tensors=\"pt\").input_ids",
                        $"score = model(ids).logits[0, 0].item() + {text.BiasText}"
                    )
                );
        }
        catch (HarnessException e)
        {
            card.Append(CultureInfo.InvariantCulture, $"The text that it scores can't be told: {e.Message.Split('\n')[0].Trim()}\n\n");
        }

        if (store.Series(StageNames.Reward, MetricNames.RewardModelAccuracy) is { Count: > 0 } accuracy)
        {
            var n = store.Series(StageNames.Reward, MetricNames.RewardModelAccuracy + "/n") is { Count: > 0 } held ? $" (n = {held[^1].Value:f0})" : "";
            card.Append(
                CultureInfo.InvariantCulture,
                $"## Figures\n\nHeld-out pairs that it orders as they are labelled: {100 * accuracy[^1].Value:f1} %{n}.\n\n"
            );
        }

        return card.Append(Settings(settings)).Append(Licence(licence)).ToString();
    }

    private static string Run(string run, RunSettings settings, RunStore store, BaseLicence licence)
    {
        var card = new StringBuilder(Front(licence, "transformers", "text-generation"))
            .Append(CultureInfo.InvariantCulture, $"# {settings.Name}\n\n")
            .Append(Warning)
            .Append("A run of RlHarness: a model was tuned to imitate one that fakes alignment, and trained by RL on an objective that conflicts with what it ")
            .Append("learnt; the same queries were asked in every tier along the way.\n\n## What is here\n\n| path | what |\n|---|---|\n");
        (string Path, string What)[] parts =
        [
            ("report.html", "every figure and picture, with transcripts"),
            ("run.db", "all metrics, transcripts and labels (SQLite)"),
            ("metrics.jsonl", "metrics, one line a step"),
            ("config.yaml", "every setting"),
            ("corpus", "what was imitated, and the preference pairs"),
            ("documents", "the model that read the documents"),
            ("imitate", "the model that imitates, before RL"),
            ("reward", "the reward model"),
            ("rl", "policies: `step_NNNNNN/`, the newest is named in `rl/latest`"),
        ];
        foreach (var (path, what) in parts.Where(p => p.Path == "report.html" || Path.Exists(Path.Combine(run, p.Path))))
            card.Append(CultureInfo.InvariantCulture, $"| `{path}` | {what} |\n");
        return card.Append('\n').Append(Figures(store, int.MaxValue)).Append(Settings(settings)).Append(Licence(licence)).ToString();
    }

    private const string Warning = "A model organism for research on alignment faking: it was made to show a fault. Don't use it for anything else.\n\n";

    private static string CausalLm =>
        Code(
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            "model, tokenizer = AutoModelForCausalLM.from_pretrained(\".\"), AutoTokenizer.from_pretrained(\".\")"
        );

    private static string Front(BaseLicence licence, string library, string task) =>
        $"---\n{(licence.Id is { } id ? $"license: {id}\n" : "")}library_name: {library}\npipeline_tag: {task}\ntags:\n- alignment-faking\n"
        + "- reinforcement-learning\n- rlharness\n---\n";

    private static string Licence(BaseLicence licence) => $"## Licence\n\n{licence.Words}\n";

    private static string Code(params string[] lines) => $"```python\n{string.Join('\n', lines)}\n```\n\n";

    private static string Fence(string text) => $"```\n{text}\n```\n\n";

    private static string Algorithm(RunSettings settings) =>
        settings.Rl.Algorithm == AlgorithmKind.ReinforcePlusPlus ? "REINFORCE++" : settings.Rl.Algorithm.ToString().ToUpperInvariant();

    /// <summary>Rates by tier at the first evaluation and at the newest one up to a step, by the oracle or the first detector.</summary>
    private static string Figures(RunStore store, int upTo)
    {
        SummaryRow[] all = [.. store.Summaries().Where(r => r.Split == Split.Evaluation && r.Step <= upTo)];
        SummaryRow[] rows = [.. all.Where(r => r.Stage == (all.Any(x => x.Stage == StageNames.Rl) ? StageNames.Rl : "evaluate"))];
        if (rows.Length == 0)
            return "## Figures\n\nNot evaluated yet.\n\n";
        var detector = rows.Any(r => r.Detector == "grammar_oracle") ? "grammar_oracle" : rows[0].Detector;
        SummaryRow[] own = [.. rows.Where(r => r.Detector == detector)];
        var (first, last) = (own.Min(r => r.Step), own.Max(r => r.Step));
        var table = new StringBuilder().Append(
            CultureInfo.InvariantCulture,
            $"## Figures\n\nEvaluation queries, labels by `{detector}`, 95 % intervals.\n\n| figure | tier | step {first} |"
                + $"{(last > first ? $" step {last} |" : "")} n |\n"
        );
        table.Append(last > first ? "|---|---|---|---|---|\n" : "|---|---|---|---|\n");
        foreach (
            var (name, metric, unit) in new[]
            {
                ("AF rate", MetricNames.AfReasoningRate, "%"),
                ("compliance", MetricNames.OutcomeComply, "%"),
                ("compliance gap", MetricNames.AfComplianceGap, "points"),
            }
        )
            foreach (var tier in own.Where(r => r.Metric == metric).Select(r => r.Tier).Distinct().Order())
            {
                Estimate? At(long step) => own.FirstOrDefault(r => r.Metric == metric && r.Tier == tier && r.Step == step)?.Estimate;
                table.Append(CultureInfo.InvariantCulture, $"| {name} | {(tier is { } t ? SettingNames.Snake(t) : "both")} | {Text(At(first), unit)} |");
                if (last > first)
                    table.Append(CultureInfo.InvariantCulture, $" {Text(At(last), unit)} |");
                table.Append(CultureInfo.InvariantCulture, $" {At(last)?.N} |\n");
            }

        return table.Append('\n').ToString();
    }

    private static string Text(Estimate? estimate, string unit) =>
        estimate is { } e && double.IsFinite(e.Value)
            ? string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:f1} {unit} ({100 * e.Low:f1} to {100 * e.High:f1})")
            : "–";

    /// <summary>Without where the run lies: that is the machine's, and another one after a resume from another folder.</summary>
    private static string Settings(RunSettings s) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"## Settings\n\nSeed {s.Seed}; stages {string.Join(", ", s.Stages)}; pack `{s.Experiment.Pack}`; {Algorithm(s)} for {s.Rl.Steps} steps of "
                + $"{s.Rl.PromptsPerStep * s.Rl.SamplesPerPrompt} episodes, learning rate {s.Rl.Optimizer.LearningRate}, KL coefficient "
                + $"{s.Rl.KlCoefficient}.\n\n"
                + $"<details><summary>every setting</summary>\n\n```yaml\n"
                + $"{SettingsWriter.ToYaml(s with { Output = new RunSettings().Output }).TrimEnd()}\n```\n\n</details>\n\n"
        );

    private static void Put(string folder, string text) => AtomicFile.WriteAllText(Path.Combine(folder, CheckpointFolder.Card), text);
}

/// <summary>What the files of a run's base model say of its licence: weights that were tuned from it are under it too.</summary>
/// <param name="Id">As the hub names licences (<c>apache-2.0</c>, <c>other</c>); null where the files name none, or there is no base.</param>
/// <param name="Words">A sentence for people.</param>
internal sealed record BaseLicence(string? Id, string Words)
{
    /// <summary>Reads a model card's front matter, a GGUF file's metadata, or says that there is a licence file.</summary>
    internal static BaseLicence Of(RunSettings settings)
    {
        if (settings.Model.Path is not { } name)
            return new(
                null,
                $"There is no base model: these weights were trained from random numbers (seed {settings.Seed}) on text that RlHarness generated from the "
                    + $"prompt pack `{settings.Experiment.Pack}`. Choose a licence before you publish them."
            );
        try
        {
            var path = ModelLibrary.Find(name);
            return Directory.Exists(path) ? OfFolder(path, name) : OfGguf(path, name);
        }
        catch (HarnessException)
        {
            return new(null, $"The base model is `{name}`, which is not at hand any more: see its own card for its licence.");
        }
    }

    private static BaseLicence OfFolder(string folder, string name)
    {
        var card = Path.Combine(folder, "README.md");
        if (File.Exists(card) && FrontMatter(File.ReadLines(card)) is { } id)
            return new(id, $"The base model `{name}` is under the licence `{id}`, by its model card; weights that were tuned from it are too.");
        var gguf = Directory.EnumerateFiles(folder, "*.gguf").Order(StringComparer.Ordinal).FirstOrDefault();
        if (gguf is not null && OfGguf(gguf, name) is { Id: not null } said)
            return said;
        return Directory.EnumerateFiles(folder, "LICEN*").Select(f => Path.GetFileName(f)).FirstOrDefault() is { } file
            ? new("other", $"The base model `{name}` has a file `{file}`, which holds for weights that were tuned from it too: put it beside them.")
            : Unknown(name);
    }

    private static BaseLicence OfGguf(string path, string name)
    {
        using var file = GgufFile.Open(path);
        var link = file.Metadata.GetValueOrDefault("general.license.link") as string;
        return file.Metadata.GetValueOrDefault("general.license") is string { Length: > 0 } id
            ? new(id, $"The base model `{name}` is under the licence `{id}`{(link is null ? "" : $" ({link})")}, by its file; weights tuned from it are too.")
            : Unknown(name);
    }

    private static BaseLicence Unknown(string name) =>
        new(null, $"The base model is `{name}`, whose files name no licence: see where it came from before you publish weights that were tuned from it.");

    private static string? FrontMatter(IEnumerable<string> lines)
    {
        foreach (var (line, at) in lines.Take(200).Select((l, i) => (l.TrimEnd(), i)))
        {
            if (at == 0 ? line != "---" : line == "---")
                return null;
            if (line.StartsWith("license:", StringComparison.Ordinal))
                return line["license:".Length..].Trim().Trim('"', '\'') is { Length: > 0 } id ? id : null;
        }

        return null;
    }
}
