using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Models.Native;
using RlHarness.Models.Verification;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

internal static class ModelVerifyCommand
{
    internal static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A Hugging Face folder or a GGUF file; names below RLHARNESS_MODELS work too." };
        var against = new Option<string>("--against")
        {
            Description = "A safetensors file of reference values; scripts/write-expected.py writes one.",
            Required = true,
        };
        var adapter = new Option<string?>("--adapter") { Description = "A LoRA adapter over the model: a folder in PEFT's format." };
        var (device, json) = (Options.Device(), Options.Json());
        var command = new Command(
            "verify",
            "Compare a model with what another implementation computed of it: logits, greedy tokens, gradients, whichever the file has. "
                + "Prints the largest error of each kind; exit code 1 when one is beyond its tolerance.\n\nExamples:\n  python3 "
                + "scripts/write-expected.py Qwen/Qwen2.5-0.5B expected.safetensors\n  rlharness model verify Qwen2.5-0.5B --against "
                + "expected.safetensors"
        )
        {
            model,
            against,
            adapter,
            device,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var report = ModelVerifier.Verify(
                    ModelLibrary.Find(parsed.GetValue(model)!),
                    parsed.GetValue(against)!,
                    Devices.Choose(parsed.GetValue(device)!),
                    parsed.GetValue(adapter)
                );
                if (parsed.GetValue(json))
                    JsonOutput.Print(report);
                else
                    Print(report);
                return report.Passed ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }

    private static void Print(VerificationReport report)
    {
        var width = report.Checks.Max(check => check.Kind.Length);
        foreach (var check in report.Checks)
        {
            var where = check.Where is { } name && !check.Passed ? $"  at {name}" : "";
            Console.WriteLine($"{check.Kind.PadRight(width)}  {Error(check),-35}  {(check.Passed ? "ok" : "FAILED")}{where}");
        }

        var failed = report.Checks.Count(check => !check.Passed);
        Console.WriteLine(failed == 0 ? "equal within the tolerances" : $"{failed} of {report.Checks.Count} checks failed");
    }

    private static string Error(FidelityCheck check) =>
        check.Unit == "tokens"
            ? string.Create(CultureInfo.InvariantCulture, $"{check.Error:f0} of {check.Compared} differ")
            : string.Create(CultureInfo.InvariantCulture, $"{check.Error:0.0e-00} {check.Unit}, allowed {check.Tolerance:0.0e-00}");
}
