//! espeak-ng, as a child process that reads the text from its standard input: no shell, no file, no
//! text among the arguments.

use std::{path::PathBuf, process::Stdio, time::Duration};

use bytes::Bytes;
use slipstream_ports::PortFuture;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{Engine, VoiceError};

const NAME: &str = "espeak-ng";

/// Longest wait: it speaks a thousand characters in well under a second.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Length of the header of the WAV files it writes.
const WAV_HEADER: usize = 44;

/// Speaks through the program.
pub struct Espeak {
    program: PathBuf,
}

impl Espeak {
    /// The program in `PATH`, where it is installed.
    pub fn installed() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&path).map(|folder| folder.join(NAME)).find(|program| program.is_file())?;
        Some(Self { program })
    }

    async fn run(&self, text: &str, voice: &str) -> Result<Bytes, VoiceError> {
        let unavailable = |reason: String| VoiceError::Unavailable { engine: NAME, reason };
        let mut child = Command::new(&self.program)
            // `-b 1`: the text is UTF-8, whatever the locale.
            .args(["-b", "1", "-v", voice, "--stdin", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| unavailable(error.to_string()))?;
        let mut input = child.stdin.take().expect("standard input is piped above");
        // It reads all before it writes, but a full pipe must not stop both.
        let speaking = async {
            let written = async {
                // Where it ended early, its status says why better than the broken pipe.
                let _ = input.write_all(text.as_bytes()).await;
                drop(input);
            };
            tokio::join!(written, child.wait_with_output()).1
        };
        let output = tokio::time::timeout(TIMEOUT, speaking)
            .await
            .map_err(|_| unavailable("no answer in time".to_owned()))?
            .map_err(|error| unavailable(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || output.stdout.len() <= WAV_HEADER {
            return Err(if said.contains("voice does not exist") {
                VoiceError::UnknownVoice { engine: NAME, voice: voice.to_owned() }
            } else {
                VoiceError::Upstream { engine: NAME, reason: said.trim().chars().take(200).collect() }
            });
        }
        Ok(with_true_lengths(output.stdout).into())
    }
}

/// On a pipe it cannot go back to write how long the audio became: its header says 2 GB.
fn with_true_lengths(mut wav: Vec<u8>) -> Vec<u8> {
    if wav.len() >= WAV_HEADER && wav.starts_with(b"RIFF") && &wav[36..40] == b"data" {
        let whole = wav.len() as u32;
        wav[4..8].copy_from_slice(&(whole - 8).to_le_bytes());
        wav[40..44].copy_from_slice(&(whole - WAV_HEADER as u32).to_le_bytes());
    }
    wav
}

impl Engine for Espeak {
    fn name(&self) -> &'static str {
        NAME
    }

    fn default_voice(&self) -> &'static str {
        "en"
    }

    fn content_type(&self) -> &'static str {
        "audio/wav"
    }

    fn speak<'a>(&'a self, text: &'a str, voice: &'a str) -> PortFuture<'a, Result<Bytes, VoiceError>> {
        Box::pin(self.run(text, voice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn espeak() -> Option<Espeak> {
        let found = Espeak::installed();
        if found.is_none() {
            println!("skipped: espeak-ng is not installed (apt-get install espeak-ng)");
        }
        found
    }

    #[tokio::test]
    async fn text_becomes_a_wav_file_whose_header_tells_its_true_length() {
        let Some(espeak) = espeak() else { return };
        let wav = espeak.speak("Brake later into turn one.", "en").await.unwrap();
        assert!(wav.starts_with(b"RIFF") && &wav[8..12] == b"WAVE");
        assert_eq!(u32::from_le_bytes(wav[4..8].try_into().unwrap()) as usize, wav.len() - 8);
        assert_eq!(u32::from_le_bytes(wav[40..44].try_into().unwrap()) as usize, wav.len() - 44);
        assert!(wav[44..].iter().any(|sample| *sample != 0), "not silence");
    }

    #[tokio::test]
    async fn an_unknown_voice_is_told_and_text_is_never_an_option() {
        let Some(espeak) = espeak() else { return };
        let unknown = espeak.speak("hello", "nosuchvoice").await.unwrap_err();
        assert!(matches!(&unknown, VoiceError::UnknownVoice { voice, .. } if voice == "nosuchvoice"), "{unknown}");
        assert!(espeak.speak("--version", "en").await.unwrap().starts_with(b"RIFF"), "spoken, not obeyed");
    }
}
